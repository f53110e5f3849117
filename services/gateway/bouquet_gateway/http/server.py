"""The HTTP server: aiohttp's, made to answer JSON to everything, over connections of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from socket import fromfd
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from msgspec import Struct

from bouquet_gateway.http.connection import Connection, Doorkeeper, refusal_of
from bouquet_mesh.listen import can_listen

BACKLOG = 1024
ACCEPTED_AT_ONCE = 32
"""Connections a pass of the event loop. libuv accepts one for each handle of a listening socket (its #3696), and a full
loop makes few passes: who comes anew would wait for seconds to be told that there is no room."""
REASONS = {
    HTTPStatus.NOT_FOUND: "unknown_route",
    HTTPStatus.METHOD_NOT_ALLOWED: "unknown_route",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
}
"""Of aiohttp's own refusals; the others are bad requests, or internal from 500 on."""

DOORKEEPER = web.AppKey("doorkeeper", Doorkeeper)
"""Of an application that has one. He is not asked of what is rare (a body, a request behind another): that is the
application's own to refuse."""


class Limits(Struct, frozen=True, kw_only=True):
    line_bytes: int = 8190
    field_bytes: int = 8190
    headers: int = 64
    head_s: float = 10.0
    """From the first byte of a request's head to the last."""
    idle_s: float = 75.0
    """How long a connection is kept without a request; more than the proxy in front keeps it."""
    lingering_s: float = 2.0
    """How long a body that nobody asked for is read."""
    drain_s: float = 15.0
    """How long a stopping server lets the running requests finish."""


@asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, *, limits: Limits | None = None, reuse_port: bool = False
) -> AsyncIterator[int]:
    """Gives the bound port; raises `SettingsError` where there is none to have. Leaving stops the intake, lets running
    requests finish, then closes every connection.

    With `reuse_port`, several processes may listen on one port.
    """
    runner = _Runner(app, limits or Limits())
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG, reuse_port=reuse_port or None)
        with can_listen(host, port):
            await site.start()
        for socket in cast(asyncio.Server, site._server).sockets:
            for _ in range(ACCEPTED_AT_ONCE - 1):
                twin = fromfd(socket.fileno(), socket.family, socket.type)
                await web.SockSite(runner, twin, backlog=BACKLOG).start()
        yield site.port
    finally:
        await runner.cleanup()


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    def __init__(self, app: web.Application, limits: Limits) -> None:
        super().__init__(
            app,
            shutdown_timeout=limits.drain_s,
            access_log=None,
            max_line_size=limits.line_bytes,
            max_field_size=limits.field_bytes,
            max_headers=limits.headers,
            keepalive_timeout=limits.idle_s,
            lingering_time=limits.lingering_s,
            doorkeeper=app.get(DOORKEEPER),
            head_s=limits.head_s,
        )

    async def _make_server(self) -> _Server:
        made = await super()._make_server()
        return _Server(_in_json(made.request_handler), request_factory=made.request_factory, **made._kwargs)


def _in_json(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Some refusals are aiohttp's own and come before any middleware."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            if refusal.content_type == "application/json":
                raise
            return refusal_of(
                REASONS.get(HTTPStatus(refusal.status), "bad_request" if refusal.status < 500 else "internal")
            )

    return handle

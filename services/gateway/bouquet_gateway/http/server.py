"""The HTTP server: aiohttp's, over connections of ours, which answers JSON to everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from http import HTTPStatus
from socket import fromfd
from typing import TypeAlias

from aiohttp import web
from msgspec import Struct

from bouquet_gateway.http.connection import Connection, error_response
from bouquet_mesh.listen import can_listen

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

BACKLOG = 1024
ACCEPTED_AT_ONCE = 32
"""Connections that one pass of the event loop accepts. libuv accepts one for each handle of a listening socket (its
issue 3696), and a busy loop makes few passes: who connects then would wait for seconds to hear that there is no
room."""
REASONS = {
    HTTPStatus.NOT_FOUND: "unknown_route",
    HTTPStatus.METHOD_NOT_ALLOWED: "unknown_route",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
}
"""Of aiohttp's own refusals; the others are bad requests, or internal from 500 on."""


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
    """Gives the bound port; raises `SettingsError` where there is none to have. Leaving closes the port, lets running
    requests finish, then closes every connection.

    With `reuse_port`, several processes may listen on one port.
    """
    async with (
        connections(app, limits or Limits()) as connect,
        _listening(connect, host, port, reuse_port) as bound,
    ):
        yield bound


@asynccontextmanager
async def connections(app: web.Application, limits: Limits) -> AsyncIterator[Callable[[], Connection]]:
    """Gives what makes the protocol of a new connection. Leaving lets running requests finish, then closes every
    connection."""
    runner = web.AppRunner(app, shutdown_timeout=limits.drain_s)
    await runner.setup()
    try:
        server = runner.server
        assert server is not None
        server.request_handler = _in_json(server.request_handler)
        yield partial(
            Connection,
            server,
            head_s=limits.head_s,
            access_log=None,
            max_line_size=limits.line_bytes,
            max_field_size=limits.field_bytes,
            max_headers=limits.headers,
            keepalive_timeout=limits.idle_s,
            lingering_time=limits.lingering_s,
        )
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _listening(
    connect: Callable[[], asyncio.Protocol], host: str, port: int, reuse_port: bool
) -> AsyncIterator[int]:
    """Gives the bound port, until it is closed. `ACCEPTED_AT_ONCE` handles listen at each address of `host`."""
    listen = partial(asyncio.get_running_loop().create_server, connect, backlog=BACKLOG)
    with can_listen(host, port):
        first = await listen(host=host, port=port, reuse_port=reuse_port or None)
    async with AsyncExitStack() as stack:
        stack.callback(first.close)
        for sock in first.sockets:
            for _ in range(ACCEPTED_AT_ONCE - 1):
                twin = await listen(sock=fromfd(sock.fileno(), sock.family, sock.type))
                stack.callback(twin.close)
        yield first.sockets[0].getsockname()[1]


def _in_json(handler: Handler) -> Handler:
    """Some refusals are aiohttp's own and come before any middleware."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request.protocol, Connection)
        with request.protocol.answering(request):
            try:
                return await handler(request)
            except web.HTTPException as refusal:
                if refusal.content_type == "application/json":
                    raise
                return error_response(_reason_of(refusal.status))

    return handle


def _reason_of(status: int) -> str:
    return REASONS.get(HTTPStatus(status), "bad_request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal")

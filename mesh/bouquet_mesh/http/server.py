"""The HTTP server of every process: aiohttp's applications, over connections of ours, with JSON for every answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from bouquet_mesh.http.accept import accepting
from bouquet_mesh.http.answers import refused
from bouquet_mesh.http.connections import Connections
from bouquet_mesh.http.handler import Handler
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.tasks import alongside

Answer: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

DRAIN_S = 15.0
HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
REASONS = {
    HTTPStatus.NOT_FOUND: "unknown_route",
    HTTPStatus.METHOD_NOT_ALLOWED: "unknown_route",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.EXPECTATION_FAILED: "bad_request",
}
"""Of aiohttp's own refusals, some of whose texts quote the request."""


@asynccontextmanager
async def serving(
    app: web.Application,
    host: str,
    port: int,
    *,
    limits: Limits | None = None,
    reuse_port: bool = False,
    drain_s: float = DRAIN_S,
    ends_with_client: bool = False,
) -> AsyncIterator[int]:
    """Gives the bound port; raises `SettingsError` where there is none to have. Leaving closes the port, lets running
    requests finish for `drain_s`, then closes every connection.

    With `reuse_port`, several processes may listen on one port. `ends_with_client`: a handler whose client hangs up is
    cancelled.
    """
    async with (
        connections(app, limits or Limits(), drain_s=drain_s, ends_with_client=ends_with_client) as connect,
        accepting(connect, host, port, reuse_port=reuse_port) as bound,
    ):
        yield bound


@asynccontextmanager
async def connections(
    app: web.Application, limits: Limits, *, drain_s: float = DRAIN_S, ends_with_client: bool = False
) -> AsyncIterator[Connections]:
    """Gives what makes the protocol of a new connection. Leaving lets running requests finish, then closes every
    connection."""
    runner = web.AppRunner(app, shutdown_timeout=drain_s, handler_cancellation=ends_with_client)
    await runner.setup()
    server = runner.server
    assert server is not None
    server.request_handler = _answering(server.request_handler)
    made = Connections(server, limits)
    async with alongside(made.watch()):
        try:
            yield made
        finally:
            await runner.cleanup()


def _answering(application: Answer) -> Answer:
    """The application's answer, written to its last byte, or a refusal that comes before any middleware."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request.protocol, Handler)
        connection = request.protocol.connection
        objection = _objection(request)
        connection.begin(request, is_refused=bool(objection))
        try:
            response = refused(objection) if objection else await application(request)
        except web.HTTPException as raised:
            # What an application raises on purpose, a redirection say, is its answer.
            reason = REASONS.get(HTTPStatus(raised.status))
            response = refused(reason) if reason else raised
        except ConnectionError:
            if not connection.is_lost:
                raise
            return web.Response()  # to nobody: the client went while its body was read
        if connection.is_last:
            response.force_close()
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            pass  # aiohttp finds the client gone as we did
        else:
            connection.answered(is_kept=bool(response.keep_alive))
        if isinstance(response, web.HTTPException):
            raise response  # as aiohttp wants it, which finds it written
        return response

    return answer


def _objection(request: web.BaseRequest) -> str:
    """Why a request is refused, whatever it asks: a body to be inflated, or a host that is none (RFC 9112 §3.2)."""
    if "Content-Encoding" in request.headers:
        return "encoded_body"
    host = request.headers.get("Host")
    return "" if host is None or HOST.fullmatch(host) else "bad_request"

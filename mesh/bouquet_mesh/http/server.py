"""The HTTP server of every process: aiohttp's applications, over connections of ours, with JSON for every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from bouquet_mesh.http.accept import accepting
from bouquet_mesh.http.answers import refusal
from bouquet_mesh.http.connections import Connections
from bouquet_mesh.http.handler import Handler
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.observe import metrics
from bouquet_mesh.tasks import alongside

Answer: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

DRAIN_S = 15.0
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
        connection.begin(request, is_refused=False)
        try:
            response = await application(request)
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
        with suppress(ConnectionError):
            await response.prepare(request)
            await response.write_eof()
            connection.answered(is_kept=bool(response.keep_alive))
        return response

    return answer


def refused(reason: str) -> web.Response:
    metrics.http_refused(reason).inc()
    return refusal(reason)

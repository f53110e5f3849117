"""The HTTP server of every process, which serves an aiohttp application, limits each connection, and answers errors in
JSON."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from bouquet_mesh.http.accept import accepting
from bouquet_mesh.http.connections import ConnectionFactory
from bouquet_mesh.http.handler import Handler
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.http.refusals import refuse
from bouquet_mesh.tasks import alongside

Answer: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Function that answers one request."""

DRAIN_S = 15.0
"""Seconds that a stopping server waits for running requests, unless its caller gives another time."""
HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
REASON_BY_STATUS = {
    HTTPStatus.NOT_FOUND: "unknown_route",
    HTTPStatus.METHOD_NOT_ALLOWED: "unknown_route",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.EXPECTATION_FAILED: "bad_request",
}
"""Reasons with which the server refuses a request, by the HTTP status of the error that aiohttp raised for it."""
# They replace aiohttp's error responses, which may quote the request.


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
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Serves an application while the context is open, and yields the bound port. Raises `SettingsError` for an address
    on which the process cannot listen. The end of the context waits up to `drain_s` seconds for running requests.

    If `reuse_port` is true, several processes may listen on the port. If `ends_with_client` is true, a handler is
    cancelled when its client disconnects. With `tls`, connections are encrypted.
    """
    async with (
        connection_factory(app, limits or Limits(), drain_s=drain_s, ends_with_client=ends_with_client) as connect,
        accepting(connect, host, port, reuse_port=reuse_port, tls=tls) as bound,
    ):
        yield bound


@asynccontextmanager
async def connection_factory(
    app: web.Application, limits: Limits, *, drain_s: float = DRAIN_S, ends_with_client: bool = False
) -> AsyncIterator[ConnectionFactory]:
    """Yields a factory of the protocol objects that serve the application, one for each new connection. The end of the
    context waits up to `drain_s` seconds for running requests. If `ends_with_client` is true, a handler is cancelled
    when its client disconnects."""
    runner = web.AppRunner(app, shutdown_timeout=drain_s, handler_cancellation=ends_with_client)
    await runner.setup()
    server = runner.server
    assert server is not None
    made = ConnectionFactory(server, limits)
    server.request_handler = _request_handler(server.request_handler, made)
    async with alongside(made.watch()):
        try:
            yield made
        finally:
            made.is_stopping = True
            await runner.cleanup()


def _request_handler(application: Answer, connections: ConnectionFactory) -> Answer:
    """Returns a handler that refuses invalid requests, and passes all others to `application`. While `connections` is
    stopping, the handler closes each connection after its answer."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request.protocol, Handler)
        connection = request.protocol.connection
        objection = _refusal_reason(request)
        connection.request_started(request, is_refused=bool(objection))
        try:
            response = refuse(objection) if objection else await application(request)
        except web.HTTPException as raised:
            # An exception that the application raises on purpose, such as a redirect, is its answer.
            reason = REASON_BY_STATUS.get(HTTPStatus(raised.status))
            response = refuse(reason) if reason else raised
        except ConnectionError:
            if not connection.is_lost:
                raise
            return web.Response()  # never sent: the client disconnected while its body was read
        if connection.is_last or connections.is_stopping:  # else a client would send its next request into the end
            response.force_close()
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            pass  # aiohttp detects the lost connection too
        else:
            connection.response_sent(keeps_alive=bool(response.keep_alive))
        if isinstance(response, web.HTTPException):
            raise response  # as aiohttp expects; the response is already sent
        return response

    return answer


def _refusal_reason(request: web.BaseRequest) -> str:
    """Returns the reason to refuse a request: `encoded_body` for a compressed body, `bad_request` for an invalid `Host`
    (RFC 9112 §3.2). Returns "" for a valid request."""
    if "Content-Encoding" in request.headers:
        return "encoded_body"
    host = request.headers.get("Host")
    return "" if host is None or HOST.fullmatch(host) else "bad_request"

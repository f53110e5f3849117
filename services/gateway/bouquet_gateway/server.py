"""The HTTP server: aiohttp's, made to answer JSON to everything, and to wait for nobody too long.

What never reaches the application (malformed, oversize, unheard-of expectations) is answered here, in the v3
envelope, with nothing of the request in the answer or in a log.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler
from msgspec import Struct

from bouquet_gateway.problems import NO_ROWS, Problem, render
from bouquet_gateway.responses import json_bytes
from bouquet_proto import telemetry
from bouquet_proto.settings import can_listen

log = logging.getLogger(__name__)

NAME = "bouquet"
"""For the `Server` header, where aiohttp would tell its version and Python's."""
BACKLOG = 1024
NOT_ASCII = re.compile(rb"[\x80-\xff]")
TOO_MANY_HEADERS = "Too many headers received"  # aiohttp has no class for it

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
        yield site.port
    finally:
        await runner.cleanup()


def percent_encoded(head: bytes) -> bytes:
    """With the letters of its first line in ASCII: llhttp refuses those that nobody encoded, which the reference's
    server reads."""
    line, end, rest = head.partition(b"\r\n")
    return NOT_ASCII.sub(lambda letter: b"%%%02X" % letter[0][0], line) + end + rest


class _Connection(RequestHandler):
    __slots__ = ("_head_s", "_head_timer")

    def __init__(self, server: _Server, *, head_s: float, **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._head_s = head_s
        self._head_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Half a head starts the clock that ends the connection; a whole one stops it."""
        begins_a_head = self._is_waiting and self._head_timer is None
        super().data_received(data if data.isascii() or not begins_a_head else percent_encoded(data))
        if not self._is_waiting:
            self._stop_head_timer()
        elif self._head_timer is None:
            self._head_timer = self._loop.call_later(self._head_s, self.force_close)

    @property
    def _is_waiting(self) -> bool:
        """For a whole head: all that came before it, bodies too, is read."""
        return self._waiter is not None and not self._waiter.done()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("half an answer has gone already")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception(exc_info=exc)
            return _answer("internal")
        too_large = isinstance(exc, LineTooLong) or message == TOO_MANY_HEADERS
        return _answer("request_too_large" if too_large else "bad_request")

    def log_exception(self, *_: Any, exc_info: BaseException | None = None, **__: Any) -> None:
        """aiohttp's own words would quote the request."""
        where = telemetry.where(exc_info) if exc_info else ""
        log.error("http server error", extra={"error": type(exc_info).__name__, "at": where})

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


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
            return _answer(
                REASONS.get(HTTPStatus(refusal.status), "bad_request" if refusal.status < 500 else "internal")
            )

    return handle


def _answer(reason: str) -> web.Response:
    status, body = render(Problem(reason), NO_ROWS, "v3")
    headers = {"X-Request-Id": str(uuid.uuid4()), "Server": NAME}
    response = json_bytes(body, status, headers)
    response.force_close()
    return response

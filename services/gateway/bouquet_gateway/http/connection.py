"""One connection to the HTTP server: aiohttp's, that waits for no head too long and turns the excess away at once.

What never reaches the application (malformed, oversize, unheard-of expectations) is answered here, in the v3
envelope, with nothing of the request in the answer or in a log.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from bouquet_gateway.errors.problems import NO_ROWS, Problem, render
from bouquet_gateway.http.responses import json_bytes
from bouquet_gateway.paths import READING
from bouquet_mesh.observe import logs

log = logging.getLogger(__name__)

NAME = "bouquet"
"""For the `Server` header, where aiohttp would tell its version and Python's."""


NOT_ASCII = re.compile(rb"[\x80-\xff]")
TOO_MANY_HEADERS = "Too many headers received"  # aiohttp has no class for it


class Doorkeeper(Protocol):
    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """The whole answer to a request that is not let in, `GET` or `HEAD`; empty for one that is."""


class Connection(RequestHandler):
    __slots__ = ("_answered", "_doorkeeper", "_head_s", "_head_timer")

    def __init__(self, server: web.Server, *, doorkeeper: Doorkeeper | None, head_s: float, **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._answered = 0
        self._doorkeeper = doorkeeper
        self._head_s = head_s
        self._head_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Half a head starts the clock that ends the connection; a whole one stops it, and is judged before anybody is
        woken for it."""
        begins_a_head = self._is_waiting and self._head_timer is None
        is_next = self._answered == self._request_count
        waiter, self._waiter = self._waiter, None
        try:
            super().data_received(data if data.isascii() or not begins_a_head else percent_encoded(data))
        finally:
            self._waiter = waiter
        if self._is_waiting and not self._messages:
            self._start_head_timer()
            return
        self._stop_head_timer()
        if self._messages and not (is_next and self._turned_away()) and waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _turned_away(self) -> bool:
        """Answered here and now, a request leaves no trace: no task, no request object, nothing to wait for."""
        assert self._parser and self.transport
        (message, body), *more = self._messages
        if self._doorkeeper is None or more or self._paused or body is not EMPTY_PAYLOAD:
            return False
        if isinstance(message, _ErrInfo) or message.method not in READING or message.should_close or message.upgrade:
            return False
        refusal = self._doorkeeper.refusal(message.method, message.path.partition("?")[0], message.headers)
        if not refusal:
            return False
        self._messages.clear()
        self._parser.message_consumed()
        self._answered += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self.transport.write(refusal)
        return True

    async def _handle_request(self, *args: Any) -> tuple[web.StreamResponse, bool]:
        try:
            return await super()._handle_request(*args)
        finally:
            self._answered += 1

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
            return refusal_of("internal")
        too_large = isinstance(exc, LineTooLong) or message == TOO_MANY_HEADERS
        return refusal_of("request_too_large" if too_large else "bad_request")

    def log_exception(self, *_: Any, exc_info: BaseException | None = None, **__: Any) -> None:
        """aiohttp's own words would quote the request."""
        where = logs.where(exc_info) if exc_info else ""
        log.error("http server error", extra={"error": type(exc_info).__name__, "at": where})

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(self._head_s, self.force_close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def percent_encoded(head: bytes) -> bytes:
    """With the letters of its first line in ASCII: llhttp refuses those that nobody encoded, which the reference's
    server reads."""
    line, end, rest = head.partition(b"\r\n")
    return NOT_ASCII.sub(lambda letter: b"%%%02X" % letter[0][0], line) + end + rest


def refusal_of(reason: str) -> web.Response:
    status, body = render(Problem(reason), NO_ROWS, "v3")
    headers = {"X-Request-Id": str(uuid.uuid4()), "Server": NAME}
    response = json_bytes(body, status, headers)
    response.force_close()
    return response

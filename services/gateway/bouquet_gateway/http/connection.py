"""One HTTP connection: aiohttp's, with a time limit for each request's head, and its own errors as JSON.

What never reaches the application (a malformed head, a head that is too large, an unknown expectation) is answered
here, in the v3 envelope, with nothing of the request in the answer or in a log.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from aiohttp import StreamReader, web

from bouquet_gateway.errors.problems import NO_ROWS, Problem, render
from bouquet_gateway.http.responses import NAME, json_bytes
from bouquet_mesh.observe import logs

log = logging.getLogger(__name__)

NOT_ASCII = re.compile(rb"[\x80-\xff]")
TOO_LARGE = re.compile(r"Got more than \d+ bytes|Too many headers")
"""How the parser's message begins when a line is too long or the headers are too many: it has no public error class
for either."""


class HeadClock:
    """Calls `expire` when a request's head takes longer than `limit_s` from its first byte to its last."""

    def __init__(self, limit_s: float, expire: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._expire = expire
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        return self._timer is not None

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._expire)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Connection(web.RequestHandler):
    """Uses public names of aiohttp only, so that any later aiohttp can be installed (docs/adr/0009)."""

    __slots__ = ("body", "head_clock", "is_answering")

    def __init__(self, server: web.Server, *, head_s: float, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self.head_clock = HeadClock(head_s, self.force_close)
        self.body: StreamReader | None = None
        """Of the last request: the request itself would stay in memory as long as its connection."""
        self.is_answering = False

    @property
    def awaits_head(self) -> bool:
        """Whether the next byte belongs to a request's head: no request is in hand, and the last body is read."""
        return not self.is_answering and (self.body is None or self.body.is_eof())

    def data_received(self, data: bytes) -> None:
        if data and self.awaits_head and not self.head_clock.is_running:
            self.head_clock.start()
            data = data if data.isascii() else percent_encoded(data)
        super().data_received(data)

    @contextmanager
    def answering(self, request: web.BaseRequest) -> Iterator[None]:
        """Around the handling of one request, whose head is complete."""
        self.head_clock.stop()
        self.body = request.content
        self.is_answering = True
        try:
            yield
        finally:
            self.is_answering = False

    def connection_lost(self, exc: BaseException | None) -> None:
        self.head_clock.stop()
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
            return error_response("internal")
        return error_response("request_too_large" if TOO_LARGE.match(message or "") else "bad_request")

    def log_exception(self, *_: Any, exc_info: BaseException | None = None, **__: Any) -> None:
        """aiohttp's own words would quote the request."""
        where = logs.where(exc_info) if exc_info else ""
        log.error("http server error", extra={"error": type(exc_info).__name__, "at": where})


def percent_encoded(head: bytes) -> bytes:
    """`head` with its first line in ASCII: the parser refuses letters that nobody encoded, which the reference's server
    reads as UTF-8."""
    line, end, rest = head.partition(b"\r\n")
    return NOT_ASCII.sub(lambda letter: b"%%%02X" % letter[0][0], line) + end + rest


def error_response(reason: str) -> web.Response:
    """The answer to a request that the application never sees. Its connection is closed after it."""
    status, body = render(Problem(reason), NO_ROWS, "v3")
    response = json_bytes(body, status, {"X-Request-Id": str(uuid.uuid4()), "Server": NAME})
    response.force_close()
    return response

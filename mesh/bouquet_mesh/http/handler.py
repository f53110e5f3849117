"""aiohttp's protocol, which answers in JSON what it cannot parse, with nothing of the request in an answer or a log."""

from __future__ import annotations

import asyncio
import logging
import re
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bouquet_mesh.http.answers import refusal, refused
from bouquet_mesh.http.connection import Connection
from bouquet_mesh.observe import logs

log = logging.getLogger(__name__)

TOO_LARGE = re.compile(r"Got more than \d+ bytes|Too many headers")
"""How the parser's message begins when a line is too long or the headers are too many: it has no public error class
for either."""


class Handler(web.RequestHandler):
    """Uses public names of aiohttp only, so that any later aiohttp can be installed (docs/adr/0009)."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection, server: web.Server, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self.connection = connection

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
            return refusal("internal")
        reason = "request_too_large" if TOO_LARGE.match(message or "") else "bad_request"
        return refused(reason)

    def log_exception(self, *_: Any, exc_info: BaseException | None = None, **__: Any) -> None:
        """aiohttp's own words would quote the request."""
        where = logs.where(exc_info) if exc_info else ""
        log.error("http server error", extra={"error": type(exc_info).__name__, "at": where})

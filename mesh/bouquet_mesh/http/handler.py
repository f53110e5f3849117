"""Extension of aiohttp's `RequestHandler`, the asyncio protocol of one connection. Refuses malformed HTTP requests with
an error in JSON, and never logs a request."""

from __future__ import annotations

import asyncio
import logging
import re
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bouquet_mesh.http.connection import Connection
from bouquet_mesh.http.refusals import refusal_response, refuse
from bouquet_mesh.observe import logs

log = logging.getLogger(__name__)

TOO_LARGE = re.compile(r"Got more than \d+ bytes|Too many headers")
"""Pattern of the HTTP parser's error message about a line that is too long, or about too many headers."""
# aiohttp has no public error class for these.


class Handler(web.RequestHandler):
    """aiohttp's protocol of one connection, extended to answer errors in JSON and never to log a request. Uses only
    public names of aiohttp (docs/adr/0009)."""

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
            raise ConnectionError("part of an answer has already been sent")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception(exc_info=exc)
            return refusal_response("internal")
        reason = "request_too_large" if TOO_LARGE.match(message or "") else "bad_request"
        return refuse(reason)

    def log_exception(self, *_: Any, exc_info: BaseException | None = None, **__: Any) -> None:
        """Logs the type and place of an error, but not the request."""
        raised_at = logs.raised_at(exc_info) if exc_info else ""
        log.error("http server error", extra={"error": type(exc_info).__name__, "at": raised_at})

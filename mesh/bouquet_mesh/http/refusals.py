"""JSON errors with which the HTTP server itself refuses requests, in the format of version 3 of the contract."""

from __future__ import annotations

import logging
import uuid
from functools import cache
from typing import Any

import msgspec
from aiohttp import web

from bouquet_mesh.observe import metrics
from bouquet_proto.failures import PLATFORM, RENDERINGS

log = logging.getLogger(__name__)

SERVER_NAME = "bouquet"
"""Value of the HTTP response header `Server`. aiohttp's default value would tell the versions of aiohttp and Python."""

REFUSALS = ("bad_request", "request_too_large", "encoded_body", "unknown_route")
"""Reasons, in `failures.PLATFORM`, for which the HTTP server refuses a request before the application sees it."""


def refuse(reason: str) -> web.Response:
    """Returns the response that refuses a request for `reason`. Also counts and logs the refusal, without the request's
    content."""
    metrics.http_refused(reason).inc()
    log.info("http request refused", extra={"reason": reason})
    return refusal_response(reason)


def refusal_response(reason: str) -> web.Response:
    """Returns the response with the JSON error for a reason in `failures.PLATFORM`. The server closes the connection
    after this response."""
    status, body = _rendered(reason)
    response = web.Response(body=body, status=status, content_type="application/json", charset="utf-8")
    response.headers.update({"X-Request-Id": str(uuid.uuid4()), "Server": SERVER_NAME, "Cache-Control": "no-store"})
    response.force_close()
    return response


@cache
def _rendered(reason: str) -> tuple[int, bytes]:
    row = PLATFORM[reason]
    error: dict[str, Any] = {"code": row.code, "title": row.title, "detail": row.detail, "meta": {}}
    return RENDERINGS[row.kind].v3_status, msgspec.json.encode({"errors": [error]})

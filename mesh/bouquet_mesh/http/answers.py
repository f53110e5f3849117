"""What a server answers by itself: JSON, and for a refusal the envelope of version 3."""

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

NAME = "bouquet"
"""For the `Server` header, where aiohttp would tell its version and Python's."""


REFUSALS = ("bad_request", "request_too_large", "encoded_body", "unknown_route")
"""Why a request is refused before an application has heard it."""


def refused(reason: str) -> web.Response:
    """A refusal, counted and logged, with nothing of the request."""
    metrics.http_refused(reason).inc()
    log.info("http request refused", extra={"reason": reason})
    return refusal(reason)


def refusal(reason: str) -> web.Response:
    """The answer to a request that the application never sees. Its connection is closed after it."""
    status, body = _rendered(reason)
    response = web.Response(body=body, status=status, content_type="application/json", charset="utf-8")
    response.headers.update({"X-Request-Id": str(uuid.uuid4()), "Server": NAME, "Cache-Control": "no-store"})
    response.force_close()
    return response


@cache
def _rendered(reason: str) -> tuple[int, bytes]:
    row = PLATFORM[reason]
    error: dict[str, Any] = {"code": row.code, "title": row.title, "detail": row.detail, "meta": {}}
    return RENDERINGS[row.kind].v3_status, msgspec.json.encode({"errors": [error]})

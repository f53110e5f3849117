"""What a server answers by itself: JSON, and for a refusal the envelope of version 3."""

from __future__ import annotations

import uuid
from functools import cache
from typing import Any

import msgspec
from aiohttp import web

from bouquet_proto.failures import PLATFORM, RENDERINGS

NAME = "bouquet"
"""For the `Server` header, where aiohttp would tell its version and Python's."""


def refusal(reason: str) -> web.Response:
    """The answer to a request that the application never sees. Its connection is closed after it."""
    status, body = _rendered(reason)
    response = web.Response(body=body, status=status, content_type="application/json", charset="utf-8")
    response.headers.update({"X-Request-Id": str(uuid.uuid4()), "Server": NAME})
    response.force_close()
    return response


@cache
def _rendered(reason: str) -> tuple[int, bytes]:
    row = PLATFORM[reason]
    error: dict[str, Any] = {"code": row.code, "title": row.title, "detail": row.detail, "meta": {}}
    return RENDERINGS[row.kind].v3_status, msgspec.json.encode({"errors": [error]})

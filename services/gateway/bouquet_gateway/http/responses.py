"""What every answer is: JSON, in UTF-8 (docs/contract.md, C13)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web


def json_of(payload: object, status: int = 200) -> web.Response:
    return json_bytes(msgspec.json.encode(payload), status)


def json_bytes(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Of what is JSON already."""
    return web.Response(body=body, status=status, headers=headers, content_type="application/json", charset="utf-8")

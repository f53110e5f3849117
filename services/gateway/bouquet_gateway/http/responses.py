"""What every answer is: JSON, in UTF-8 (docs/contract.md, C13)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web

from bouquet_gateway.public.encoded import Encoded, accepts_gzip
from bouquet_mesh.http.sliced import SlicedResponse

JSON = "application/json; charset=utf-8"


def json_of(payload: object, status: int = 200) -> web.Response:
    return json_bytes(msgspec.json.encode(payload), status)


def json_bytes(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Of what is JSON already."""
    return web.Response(body=body, status=status, headers=headers, content_type="application/json", charset="utf-8")


def document_of(request: web.Request, document: Encoded, *, max_age_s: int) -> web.StreamResponse:
    """Compressed for a client that takes it so; nothing again to one that has it already."""
    gzipped = accepts_gzip(request.headers.get("Accept-Encoding", ""))
    headers = {
        "ETag": f'"{document.tag_of(gzipped=gzipped)}"',
        "Vary": "Accept-Encoding",
        "Cache-Control": f"public, max-age={max_age_s}",
    }
    known = {tag.value for tag in request.if_none_match or ()}
    if known & {"*", document.tag_of(gzipped=gzipped)}:
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = JSON
    if gzipped:
        headers["Content-Encoding"] = "gzip"
    return SlicedResponse(document.gzipped if gzipped else document.plain, headers=headers)

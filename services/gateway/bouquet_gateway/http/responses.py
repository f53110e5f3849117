"""HTTP responses with a body in JSON (UTF-8), as almost all answers of a gateway have (docs/contract.md, C13)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web

from bouquet_gateway.public.encoded_document import EncodedDocument, accepts_gzip
from bouquet_mesh.http.sliced import SlicedResponse

JSON = "application/json; charset=utf-8"


def json_response(payload: object, status: int = 200) -> web.Response:
    """Returns a response with the payload encoded as JSON."""
    return json_bytes_response(msgspec.json.encode(payload), status)


def json_bytes_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Returns a response with a body that is already JSON."""
    return web.Response(body=body, status=status, headers=headers, content_type="application/json", charset="utf-8")


def document_response(request: web.Request, document: EncodedDocument, *, max_age_s: int) -> web.StreamResponse:
    """Returns a response with a document, compressed if the client accepts gzip. Clients may keep the document for
    `max_age_s` seconds. If the client already has it, the response is a 304 without content."""
    gzipped = accepts_gzip(request.headers.get("Accept-Encoding", ""))
    headers = {
        "ETag": f'"{document.etag_of(gzipped=gzipped)}"',
        "Vary": "Accept-Encoding",
        "Cache-Control": f"public, max-age={max_age_s}",
    }
    client_tags = {tag.value for tag in request.if_none_match or ()}
    if client_tags & {"*", document.etag_of(gzipped=gzipped)}:
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = JSON
    if gzipped:
        headers["Content-Encoding"] = "gzip"
    return SlicedResponse(document.gzipped if gzipped else document.plain, headers=headers)

"""Tests of the gateway's public documents: they are sent compressed, and not sent again to a client that has the
current version."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator

import pytest

from bouquet_gateway.public.encoded_document import accepts_gzip
from tests.support.mesh import Mesh, mesh

QUOTIENT = "api_particulier_v3_cnav_quotient_familial_with_civility"
PATHS = ["/api/openapi.json", "/api/open-api-v3.yml", "/api/errors", f"/api/errors?operation_id={QUOTIENT}"]


NO_ERRORS = "/api/errors?operation_id=x"


@pytest.fixture
async def client() -> AsyncIterator[Mesh]:
    async with mesh() as opened:
        yield opened


@pytest.mark.parametrize("path", PATHS)
async def test_a_document_is_compressed_for_clients_that_accept_gzip(path: str, client: Mesh) -> None:
    plain = await client.get(path, token="", headers={"Accept-Encoding": "identity"})
    packed = await client.get(path, token="", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert packed.body == plain.body  # the client has decompressed it
    assert int(packed.headers["Content-Length"]) == len(gzip.compress(plain.body, mtime=0))
    assert packed.headers["Content-Type"] == "application/json; charset=utf-8"
    json.loads(plain.body)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_a_document_with_a_known_etag_is_304(path: str, coding: str, client: Mesh) -> None:
    accepted = {"Accept-Encoding": coding}
    first = await client.get(path, token="", headers=accepted)
    again = await client.get(path, token="", headers={**accepted, "If-None-Match": f'"x", W/{first.headers["ETag"]}'})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    other = await client.get(path, token="", headers={**accepted, "If-None-Match": '"x"'})
    assert (other.status, other.body) == (200, first.body)


async def test_head_of_a_document_has_its_length_and_no_body(client: Mesh) -> None:
    accepted = {"Accept-Encoding": "identity"}
    get = await client.get("/api/openapi.json", token="", headers=accepted)
    head = await client.get("/api/openapi.json", token="", headers=accepted, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.body))


async def test_only_documents_may_be_kept_by_shared_caches(client: Mesh) -> None:
    kept = {path: (await client.get(path, token="")).headers["Cache-Control"] for path in PATHS}
    assert set(kept.values()) == {"public, max-age=300", "public, max-age=3600"}
    for path in (
        "/api/introspect",
        "/v3/dss/quotient_familial/identite",
        "/nowhere",
        "/api/pings",
        "/readyz",
        NO_ERRORS,
    ):
        assert (await client.get(path)).headers["Cache-Control"] == "no-store", path


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("xgzip", False),
        ("", False),
    ],
)
def test_accept_encoding_decides_on_gzip(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted

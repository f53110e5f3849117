"""Tests of properties of every answer, and of paths that are not resources (docs/reference/contract.md §0, §1.3,
§5)."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH
from tests.support.mesh import Mesh, mesh
from tests.support.people import CAF_ALLOCATAIRE, staged_query

NO_ROUTE = {
    "errors": [
        {
            "code": "00493",
            "title": "URL inconnue",
            "detail": "Cette URL n'existe pas sur API particulier, veuillez vérifier votre URL.",
            "meta": {},
        }
    ]
}
V9 = QUOTIENT_FAMILIAL_PATH.replace("v3", "v9")


@pytest.fixture
async def client() -> AsyncIterator[Mesh]:
    async with mesh() as opened:
        yield opened


UNKNOWN_PATHS = (
    "/",
    "/v3",
    "/v3/dss/quotient_familial",
    "/v3/api/v2/composition-familiale",
    "/v3/dss/quotient_familial/ine",
    "/dss/quotient_familial/identite",
    "/v/dss/quotient_familial/identite",
    "/vX/dss/quotient_familial/identite",
    "/V3/dss/quotient_familial/identite",
    "/v0//api/v2/composition-familiale",
    "/v3/dss/quotient_familial/identite.json",
    "/v3/dss/quotient_familial/identite%00",
    "/v3/dss/%FF/identite",
    "/%2e%2e/etc/passwd",
)


@pytest.mark.parametrize("path", UNKNOWN_PATHS)
async def test_an_unknown_path_is_a_404_in_json(client: Mesh, path: str) -> None:
    answer = await client.get(path, CAF_ALLOCATAIRE)
    assert (answer.status, answer.json) == (404, NO_ROUTE)


@pytest.mark.parametrize(
    "path",
    [f"{QUOTIENT_FAMILIAL_PATH}/", f"/{QUOTIENT_FAMILIAL_PATH}", QUOTIENT_FAMILIAL_PATH.replace("/dss/", "//dss//")],
)
async def test_additional_slashes_in_a_path_are_ignored(client: Mesh, path: str) -> None:
    assert (await client.get(path, CAF_ALLOCATAIRE)).status == 200


async def test_additional_slashes_do_not_change_the_envelope(client: Mesh) -> None:
    answer = await client.get("//api/v2/composition-familiale-v2", token="")
    assert answer.json["error"] == "access_denied"


async def test_an_unknown_path_needs_no_token(client: Mesh) -> None:
    assert (await client.get("/nowhere", token="")).json == NO_ROUTE


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", [QUOTIENT_FAMILIAL_PATH, "/api/introspect", "/livez", "/nowhere"])
async def test_another_method_is_an_unknown_path(client: Mesh, method: str, path: str) -> None:
    answer = await client.get(path, CAF_ALLOCATAIRE, method=method)
    assert answer.status == 404
    assert "Cette URL n'existe pas sur API particulier" in answer.body.decode()


@pytest.mark.parametrize("version", [1, 2, 4, 9, 0, 10])
async def test_an_unknown_version_is_answered_with_its_number(client: Mesh, version: int) -> None:
    answer = await client.get(QUOTIENT_FAMILIAL_PATH.replace("v3", f"v{version}"), CAF_ALLOCATAIRE)
    assert (answer.status, answer.json) == (
        404,
        {
            "errors": [
                {
                    "code": "00402",
                    "title": "Version d'API non prise en charge",
                    "detail": f"La version v{version} n'est pas supportée pour cet endpoint",
                    "meta": {},
                }
            ]
        },
    )


@pytest.mark.parametrize("written", ["v3beta", "v3.1", "v03", "v" + "3" * 5000])
async def test_a_version_that_is_not_a_number_is_an_unknown_path(client: Mesh, written: str) -> None:
    answer = await client.get(QUOTIENT_FAMILIAL_PATH.replace("v3", written), CAF_ALLOCATAIRE)
    assert (answer.status, answer.error["code"]) == (404, "00493")


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        ("/api/impots/svair", "00491", "Cette URL n'existe plus sur API Particulier depuis le 8 janvier 2024."),
        ("/api/v2/avis-imposition", "00491", "Cette URL n'existe plus sur API Particulier depuis le 8 janvier 2024."),
        ("/api/caf/famille", "00492", "L'API Quotient Familial v1 n'est plus disponible depuis le 31/10/2025."),
    ],
)
async def test_a_withdrawn_path_is_gone(client: Mesh, path: str, code: str, text: str) -> None:
    answer = await client.get(path, token="")
    assert (answer.status, answer.json["error"]) == (410, "gone")
    assert answer.json["message"].startswith(text)
    assert code not in answer.json


async def test_head_is_get_without_its_body(client: Mesh) -> None:
    head = await client.get(params=CAF_ALLOCATAIRE, method="HEAD")
    get = await client.get(params=CAF_ALLOCATAIRE)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.body))


async def test_head_of_an_error_has_its_status_and_no_body(client: Mesh) -> None:
    head = await client.get(V9, CAF_ALLOCATAIRE, method="HEAD")
    assert (head.status, head.body) == (404, b"")


async def test_a_request_id_that_is_a_uuid_is_kept(client: Mesh) -> None:
    given = str(uuid.uuid4())
    answer = await client.get(params=CAF_ALLOCATAIRE, headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] == given
    assert client.received("cnaf")[0].headers["X-Correlation-ID"] == given


@pytest.mark.parametrize("given", ["42", "", "LE GOUADEC", "5f0a1a0e6c354a519a0b0d6d5d2f7f10", "g" * 36, "é" * 36])
async def test_any_other_request_id_is_replaced(client: Mesh, given: str) -> None:
    """Tests that the gateway replaces a request id that is not a UUID, because the hub requires UUIDs
    (docs/contract.md, D12)."""
    answer = await client.get(params=CAF_ALLOCATAIRE, headers={"X-Request-Id": given})
    assert answer.status == 200
    assert str(uuid.UUID(answer.headers["X-Request-Id"])) == answer.headers["X-Request-Id"] != given


async def test_two_requests_have_two_ids(client: Mesh) -> None:
    ids = {(await client.get("/api/ping")).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


TOKEN = "/v3/token/introspect"
EVERYTHING: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "found": (QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE, {}),
    "absent": (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-NO-FILE"), {}),
    "rejected": (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-REJECTED"), {}),
    "failed": (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-HTML"), {}),
    "parameters": (QUOTIENT_FAMILIAL_PATH, {}, {}),
    "token": (QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE, {"token": "forged"}),
    "no token": (QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE, {"token": ""}),
    "scopes": (QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE, {"scopes": ["cnous_email"]}),
    "version": (V9, CAF_ALLOCATAIRE, {}),
    "route": ("/nowhere", {}, {}),
    "gone": ("/api/caf/famille", {}, {}),
    "method": (QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE, {"method": "DELETE"}),
    "too large": (QUOTIENT_FAMILIAL_PATH, {"nomNaissance": "A" * 10_000}, {}),
    "ping": ("/api/ping", {}, {}),
    "introspect": ("/api/introspect", {}, {}),
    "introspect v3": (TOKEN, {}, {}),
    "openapi": ("/api/openapi.json", {}, {}),
    "livez": ("/livez", {}, {}),
    "readyz": ("/readyz", {}, {}),
}


@pytest.mark.parametrize("case", EVERYTHING)
async def test_every_answer_is_json_and_has_a_request_id(client: Mesh, case: str) -> None:
    path, params, how = EVERYTHING[case]
    answer = await client.get(path, params, **how)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.json
    assert uuid.UUID(answer.headers["X-Request-Id"])


@pytest.mark.parametrize(
    "case",
    [
        case
        for case, (path, _, _) in EVERYTHING.items()
        if path.startswith("/v") and case != "too large" and path != TOKEN
    ],
)
async def test_every_answer_of_a_limited_route_has_rate_limit_headers(client: Mesh, case: str) -> None:
    path, params, how = EVERYTHING[case]
    headers = (await client.get(path, params, **how)).headers
    assert {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= set(headers)


async def test_ping_is_answered_with_pong(client: Mesh) -> None:
    answer = await client.get("/api/ping", token="")
    assert (answer.status, answer.json) == (200, "pong")


async def test_a_gateway_with_an_offer_is_ready(client: Mesh) -> None:
    answer = await client.get("/readyz", token="")
    assert (answer.status, answer.json) == (200, {"status": "ready"})


async def test_a_gateway_without_offers_is_alive_and_not_ready() -> None:
    async with mesh(workers=()) as client:
        assert (await client.get("/livez", token="")).status == 200
        answer = await client.get("/readyz", token="")
    assert (answer.status, answer.json) == (503, {"status": "waiting", "for": ["offers"]})


async def test_a_path_that_a_missing_worker_may_offer_is_502() -> None:
    async with mesh(workers=("msa",)) as client:
        answer = await client.get("/api/v2/composition-familiale-v3")
        elsewhere = await client.get("/nowhere")
    assert (answer.status, answer.json["error"]) == (502, "network_error")
    assert answer.headers["Retry-After"] == "10"
    assert (elsewhere.status, elsewhere.json) == (404, NO_ROUTE)


async def test_a_path_outside_of_a_missing_worker_s_territory_is_404() -> None:
    async with mesh(workers=("msa",), territories=("cnaf:/v3/dss/",)) as client:
        unknown = await client.get("/v3/cnaf/dossier/identite")
        perhaps = await client.get("/v3/dss/dossier/identite")
    assert (unknown.status, unknown.error["code"]) == (404, "00493")
    assert (perhaps.status, perhaps.error["code"]) == (502, "00501")


async def test_metrics_are_in_the_format_of_prometheus(client: Mesh) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    answer = await client.get("/metrics", token="")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    operation = "api_particulier_v3_cnav_quotient_familial_with_civility"
    assert (
        f'bouquet_gateway_requests_total{{fault="",operation="{operation}",status="200",version="v3"}}'
        in answer.body.decode()
    )
    assert (
        'bouquet_bus_calls_total{fault="",outcome="found",provider="cnaf",reason="",request="lookup"}'
        in answer.body.decode()
    )


async def test_an_unknown_path_is_no_label_of_a_metric(client: Mesh) -> None:
    await client.get("/v3/dss/GOUADEC/identite")
    assert "GOUADEC" not in (await client.get("/metrics")).body.decode()

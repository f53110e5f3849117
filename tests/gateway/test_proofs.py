"""Tests of proofs of answers: how a caller gets one, and what anybody who holds it reads (docs/adr/0021-proofs.md)."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from datetime import datetime, time, timedelta
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from openapi_spec_validator import OpenAPIV31SpecValidator

from bouquet_gateway.paris import PARIS
from bouquet_proto import quotient_familial
from tests.support.clock import Clock
from tests.support.gateway_client import RECIPIENT
from tests.support.mesh import TODAY, Mesh, mesh
from tests.support.people import CAF_ALLOCATAIRE, MSA_ALLOCATAIRE, staged_query
from tests.support.proofs import HOST, PAGE, PROVING, WANTED, proved, sections, verified

BY_NUMBER = {"numeroAllocataire": "4471820", "codePostal": "29200"}
NOON = datetime.combine(TODAY, time(12), PARIS)
UNKNOWN_TEXT = "Lien de vérification invalide : aucune preuve ne correspond."


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Mesh]:
    async with mesh(**PROVING) as opened:
        yield opened


@pytest.fixture
def client(shared: Mesh) -> Mesh:
    """Returns the mesh that all tests share, as new: with its first day, and no requests received."""
    shared.clear_received()
    shared.clock.now = NOON
    return shared


async def test_an_answer_with_a_proof_names_its_address_and_code_in_meta(client: Mesh) -> None:
    plain = (await client.get(params=CAF_ALLOCATAIRE)).json
    answer = (await proved(client)).json
    assert (answer["data"], answer["links"]) == (plain["data"], {})
    assert answer["meta"].keys() == {"verification_url", "verification_code"}
    assert answer["meta"]["verification_url"].startswith(f"{HOST}/bouquet/v1/proofs?preuve=2026.")
    assert re.fullmatch(r"[\dA-F]{4}-[\dA-F]{4}-[\dA-F]{2}", answer["meta"]["verification_code"])


async def test_the_link_of_a_family_s_proof_fits_a_qr_code(client: Mesh) -> None:
    assert len((await proved(client)).json["meta"]["verification_url"]) < 1000


async def test_a_verification_shows_whom_the_answer_was_for_and_until_when_the_proof_is_valid(client: Mesh) -> None:
    answer = await proved(client)
    data = (await verified(client, answer)).json["data"]
    del data["sections"]
    assert data == {
        "operation": quotient_familial.OPERATION.id,
        "titre": "Attestation de quotient familial",
        "source": "CNAF",
        "verification_code": answer.json["meta"]["verification_code"],
        "siret_demandeur": RECIPIENT,
        "emise_le": "2026-04-15",
        "valable_jusqu_au": "2031-04-15",
        "entree_journal": None,
        "etat_entree_journal": None,
        "donnees_de_test": False,
    }


async def test_a_verification_shows_figures_whole_and_people_in_part(client: Mesh) -> None:
    answer = await proved(client)
    data, shown = answer.json["data"], await sections(client, answer)
    value = data["quotient_familial"]
    assert shown["Quotient familial"] == [
        {
            "Quotient familial (en euros)": str(value["valeur"]),
            "Année du quotient": str(value["annee"]),
            "Mois du quotient": str(value["mois"]),
            "Organisme": "CNAF",
        }
    ]
    first, [year, month, _] = data["allocataires"][0], data["allocataires"][0]["date_naissance"].split("-")
    assert shown["Allocataires"][0] == {
        "Nom de naissance": f"{first['nom_naissance'][:3]}•••",
        "Date de naissance": f"{month}/{year}",
    }
    assert shown["Enfants"] == [{"Nombre d'enfants": str(len(data["enfants"]))}]


async def test_a_proof_has_nothing_outside_the_caller_s_scopes(client: Mesh) -> None:
    answer = await proved(client, scopes=["cnaf_quotient_familial"])
    assert (await sections(client, answer)).keys() == {"Quotient familial"}


async def test_the_answer_of_either_fund_has_a_proof(client: Mesh) -> None:
    answer = await client.get(params=MSA_ALLOCATAIRE, headers=WANTED)
    assert (await verified(client, answer)).json["data"]["source"] == "MSA"


async def test_a_proof_neither_comes_from_the_cache_nor_fills_it() -> None:
    async with mesh(**PROVING) as client:
        for _ in range(2):
            assert (await proved(client)).headers["X-Response-Cached"] == "false"
        assert (await client.get(params=CAF_ALLOCATAIRE)).headers["X-Response-Cached"] == "false"
        assert client.call_counts["cnaf"] == 3


async def test_each_call_makes_a_proof_of_its_own(client: Mesh) -> None:
    first, second = await proved(client), await proved(client)
    assert first.json["meta"]["verification_code"] != second.json["meta"]["verification_code"]


@pytest.mark.parametrize("value", ["PDF", "PROOF-ONLY", "true", "proof-only, pdf"])
async def test_another_value_of_the_header_is_refused_before_anybody_is_asked(client: Mesh, value: str) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, headers={"X-Generate-Proof": value})
    assert (answer.status, answer.codes, answer.error["title"]) == (400, ["00401"], "Mauvaise requête")
    assert client.call_counts == {"cnaf": 0, "msa": 0}


async def test_a_blank_header_requests_no_proof(client: Mesh) -> None:
    assert (await client.get(params=CAF_ALLOCATAIRE, headers={"X-Generate-Proof": " "})).json["meta"] == {}


async def test_an_operation_without_a_proof_ignores_the_header(client: Mesh) -> None:
    answer = await client.get("/api/v2/composition-familiale", BY_NUMBER, headers={"X-Generate-Proof": "anything"})
    assert answer.status == 200
    assert "meta" not in answer.json


async def test_an_error_has_no_proof(client: Mesh) -> None:
    answer = await client.get(params=staged_query("CAF-NO-FILE"), headers=WANTED)
    assert answer.status == 404
    assert b"verification" not in answer.body


async def test_a_gateway_without_keys_makes_no_proof_and_has_no_verification() -> None:
    async with mesh() as client:
        assert (await proved(client)).json["meta"] == {}
        assert (await client.get("/bouquet/v1/proofs", query="preuve=2026.AAAA", token="")).codes == ["00493"]
        document = (await client.get("/api/openapi.json", token="")).json
        assert "/bouquet/v1/proofs" not in document["paths"]
        assert b"X-Generate-Proof" not in (await client.get("/api/openapi.json", token="")).body


async def test_a_proof_is_valid_for_five_years_then_expired(client: Mesh) -> None:
    answer = await proved(client)
    client.clock.now = client.clock.now.replace(year=TODAY.year + 5)
    assert (await verified(client, answer)).status == 200
    client.clock.now += timedelta(days=1)
    expired = await verified(client, answer)
    assert (expired.status, expired.codes) == (410, ["00486"])


async def test_a_proof_that_is_not_ours_is_unknown(client: Mesh) -> None:
    for query in ("", "preuve=", "preuve[]=2026.AAAA", "preuve=2026.AAAA", f"preuve={'A' * 5000}", "preuve=%FF"):
        answer = await client.get("/bouquet/v1/proofs", query=query, token="")
        assert (answer.status, answer.codes, answer.error["detail"]) == (404, ["00485"], UNKNOWN_TEXT)


async def test_a_browser_gets_a_page_without_scripts_that_nobody_stores_or_indexes(client: Mesh) -> None:
    answer = await proved(client)
    page = await verified(client, answer, **PAGE)
    text = page.body.decode()
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Set-Cookie" not in page.headers
    assert "<script" not in text
    for shown in ("Attestation de quotient familial", answer.json["meta"]["verification_code"], "15/04/2031"):
        assert shown in text


async def test_a_browser_gets_a_page_for_an_unknown_proof(client: Mesh) -> None:
    page = await client.get("/bouquet/v1/proofs", query="preuve=no", token="", headers=PAGE)
    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert UNKNOWN_TEXT in page.body.decode()


async def test_verifications_are_limited_for_each_address() -> None:
    few = PROVING | {"proof_checks_per_minute": 2, "trusted_proxies": ("127.0.0.1",)}
    async with mesh(**few, epoch_s=Clock(1_800_000_000.0)) as client:
        answer = await proved(client)
        first, second = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
        assert [(await verified(client, answer, **first)).status for _ in range(3)] == [200, 200, 429]
        assert int((await verified(client, answer, **first)).headers["Retry-After"]) > 0
        assert (await verified(client, answer, **first, **PAGE)).status == 429
        assert (await verified(client, answer, **second)).status == 200


async def test_a_dossier_makes_no_proofs(client: Mesh) -> None:
    asked = {
        "recipient": RECIPIENT,
        "identite": {name.removesuffix("[]"): value for name, value in CAF_ALLOCATAIRE.items() if name != "recipient"},
        "resources": {"qf": {"operation": "dss/quotient_familial"}},
    }
    async with client.session.post(
        f"{client.url}/bouquet/v1/dossiers", json=asked, headers={"Authorization": f"Bearer {client.token}"} | WANTED
    ) as response:
        body = await response.text()
    assert (response.status, '"found"' in body, "verification" in body) == (200, True, False)


async def test_no_log_line_has_the_sealed_text(client: Mesh, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await proved(client)
    sealed = urlsplit(answer.json["meta"]["verification_url"]).query.removeprefix("preuve=")
    await verified(client, answer)
    lines = [str(vars(record)) for record in caplog.records]
    assert any("proof_verification" in line for line in lines)
    assert not any(sealed in line for line in lines)


async def test_the_openapi_document_describes_the_header_and_the_verification(client: Mesh) -> None:
    document = (await client.get("/api/openapi.json", token="")).json
    OpenAPIV31SpecValidator(document).validate()
    proving = {
        path
        for path, item in document["paths"].items()
        for operation in item.values()
        if any(parameter["name"] == "X-Generate-Proof" for parameter in operation["parameters"])
    }
    assert proving == {quotient_familial.OPERATION.path}
    assert {"200", "404", "410", "429"} <= document["paths"]["/bouquet/v1/proofs"]["get"]["responses"].keys()

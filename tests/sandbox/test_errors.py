"""Tests that a sandbox can answer every documented error with production's exact text. Each error has an invented
person to ask about."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from bouquet_casebook.errors import FILE_NUMBER, identifier_of, name_of
from bouquet_casebook.serve import sandbox
from bouquet_proto.offer import Operation
from bouquet_proto.rules import RULES
from bouquet_worker import paris_today
from tests.support.sandbox_gateway import OURS, Answer, SandboxClient, query_of, sandbox_at, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFERED = {operation.id: operation for offer in sandbox.offers() for operation in offer.operations}
FACTS: dict[str, Any] = {
    "prenoms": "Camille",
    "date_naissance": "1990-01-01",
    "annee_date_naissance": paris_today().year - 20,
    "mois_date_naissance": 1,
    "jour_date_naissance": 1,
    "sexe_etat_civil": "F",
    "code_cog_insee_pays_naissance": "99100",
    "code_cog_insee_commune_naissance": "75056",
    "code_etablissement": "0299417N",
    "annee_scolaire": "2025-2026",
    "numero_allocataire": FILE_NUMBER,
    "immatriculation": "ER-000-RE",
}
MODALITIES: dict[str, list[Operation]] = {}
"""Map from each folder of cases to the operations whose answers come from it. A version 2 path has several operations,
which share one folder."""
for one in OFFERED.values():
    MODALITIES.setdefault(one.folder, []).append(one)
PROVIDER = re.compile("'.+'")
"""Pattern of a quoted provider name in an error text. Tests remove it, because the documented text has a placeholder
there."""
OF_DOSSIERS = {"00481", "00482", "00483", "00484"}
OF_PROOFS = {"00485", "00486", "00487", "00488", "00489"}
OF_MCP = {"00490", "00496"}
OF_NO_ANSWER = (
    {"00210", "00212", "00213", "00402", "00404", "00491", "00492", "00493", "51504"} | OF_DOSSIERS | OF_PROOFS | OF_MCP
)
"""Codes of errors that no sandbox case can produce, because they depend on the recipient, the path or the token, not on
the person."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(OURS) as client:
        yield client


async def ask(client: SandboxClient, operation: Operation, code: str) -> Answer:
    facts = FACTS | {
        "nom_naissance": name_of(code),
        "ine": f"ERREUR{code}",
        "identifiant": identifier_of(code, operation),
        "code_postal": code,
    }
    params: dict[str, Any] = {}
    for check in (check for stage in operation.checks for check in stage):
        for fact, name in check.parameter_names.items():
            if fact in facts and check.rule != "place_optional":
                is_list = RULES[check.rule].fields[fact].schema.get("type") == "array"
                params[name] = [facts[fact]] if is_list else facts[fact]
    bearer = f"jeton-erreur-{code}" if operation.by_session else token()
    own = {"Authorization": f"Bearer {bearer}"}
    typed = {"X-Api-Key": token()} if operation.path.startswith("/api/v2/") else own
    headers = own if operation.by_session else typed
    return await client.get(f"{operation.path}?{query_of(params)}", headers)


class KnownError(NamedTuple):
    status: int
    detail: str
    code: str = ""
    title: str = ""
    meta: tuple[tuple[str, Any], ...] = ()
    """Names and values of the fields in the error's `meta`. `retry_in`, the number of seconds to wait before a new
    call, is left out because it differs from call to call."""


def known_error(answer: Answer) -> KnownError:
    match answer.body:
        case {"errors": [{"code": str(code), "title": str(title), "detail": str(detail), "meta": dict(meta)}]}:
            return in_v3(answer.status, detail, code, title, meta)
        case {"errors": [str() as detail]} | {"error": str(), "reason": str(), "message": str() as detail}:
            return in_v2(answer.status, detail)
        case _:
            raise AssertionError(f"{answer.status} is no error")


def in_v3(status: int, detail: str, code: str, title: str, meta: Mapping[str, Any]) -> KnownError:
    facts = tuple((name, value) for name, value in meta.items() if name != "retry_in")
    return KnownError(status, PROVIDER.sub("", detail), code, title, facts)


def in_v2(status: int, detail: str) -> KnownError:
    """Returns an error of version 2 in a comparable form: its status, and its detail without the provider's name."""
    return KnownError(status, PROVIDER.sub("", detail))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nomenclature(client: SandboxClient) -> Any:
    return (await client.get("/api/errors")).body


@pytest.mark.parametrize(("folder", "modalities"), MODALITIES.items(), ids=MODALITIES)
async def test_every_code_of_an_operation_has_an_identity(
    folder: str, modalities: list[Operation], client: SandboxClient, nomenclature: Any
) -> None:
    """Tests that each documented error code has an invented person: a call about this person is answered with this
    error. If several operations share a version 2 path, at least one of them must answer with it."""
    checks = [check for one in modalities for stage in (*one.checks, one.identity_checks) for check in stage]
    of_rules = {code for check in checks for code in RULES[check.rule].codes}
    skipped = OF_NO_ANSWER | of_rules - {reason for one in modalities for reason in one.reasons}
    is_v2 = modalities[0].path.startswith("/api/v2/")
    errors = nomenclature["endpoints"][folder]["errors"]
    for code, expected in expected_in(errors, skipped, is_v2=is_v2).items():
        answers = {known_error(await ask(client, one, code)) for one in modalities}
        assert answers & expected, (code, answers)


@pytest.mark.parametrize("modality", sorted({one.modality for one in OFFERED.values()} - {"numero_allocataire"}))
async def test_every_code_of_the_platform_has_an_identity(
    modality: str, client: SandboxClient, nomenclature: Any
) -> None:
    operation = next(one for one in OFFERED.values() if one.path.startswith("/v") and one.modality == modality)
    codes = expected_in(nomenclature["platform_codes"], OF_NO_ANSWER)
    for code, expected in codes.items():
        assert known_error(await ask(client, operation, code)) in expected
    assert {"00429", "00015", "00103"} < codes.keys()


def expected_in(errors: Any, skipped: set[str], *, is_v2: bool = False) -> dict[str, set[KnownError]]:
    """Returns an operation's documented errors by code, except the codes in `skipped`. A code documented with several
    causes has one error for each cause."""
    codes: dict[str, set[KnownError]] = {}
    for status, item in ((int(status), item) for status, items in errors.items() for item in items):
        code, title, meta = item["code"], item["title"], item.get("meta", {})
        if code not in skipped:
            details = (item["detail"], *(cause["detail"] for cause in item.get("other_causes", ())))
            codes.setdefault(code, set()).update(
                in_v2(status, detail) if is_v2 else in_v3(status, detail, code, title, meta) for detail in details
            )
    return codes


@pytest.mark.parametrize("code", ["00429", "00529", "00501"])
async def test_an_error_has_the_retry_after_of_production(code: str, client: SandboxClient) -> None:
    answer = await ask(client, OFFERED["api_particulier_v3_men_scolarites_with_civility"], code)
    assert answer.headers["Retry-After"] == str(answer.body["errors"][0]["meta"]["retry_in"])
    assert "RateLimit-Remaining" in answer.headers

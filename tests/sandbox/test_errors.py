"""Every error of every operation has an identity that yields it, and it is production's to the letter."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bouquet_casebook.errors import FILE_NUMBER, name_of
from bouquet_casebook.serve import sandbox
from bouquet_proto.offer import Operation
from bouquet_proto.rules import RULES, names_of
from tests.sandbox.gateway import OURS, Answer, Door, query_of, sandbox_at, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFERED = {operation.id: operation for offer in sandbox.offers() for operation in offer.operations}
FACTS: dict[str, Any] = {
    "prenoms": "Camille",
    "date_naissance": "1990-01-01",
    "annee_date_naissance": 1990,
    "mois_date_naissance": 1,
    "jour_date_naissance": 1,
    "sexe_etat_civil": "F",
    "code_cog_insee_pays_naissance": "99100",
    "code_cog_insee_commune_naissance": "75056",
    "code_etablissement": "0299417N",
    "annee_scolaire": "2025-2026",
    "numero_allocataire": FILE_NUMBER,
}
MODALITIES: dict[str, list[Operation]] = {}
"""By folder."""
for one in OFFERED.values():
    MODALITIES.setdefault(one.folder, []).append(one)
PROVIDER = re.compile("'.+'")
"""Who is named in a text; the nomenclature has a placeholder there."""
OF_NO_ANSWER = {"00210", "00402", "00404", "00491", "00492", "00493", "51504"}
"""Of a recipient, of a path, or of a call without a token: whoever is asked about has no part in them."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door() -> AsyncIterator[Door]:
    async with sandbox_at(OURS) as door:
        yield door


async def ask(door: Door, operation: Operation, code: str) -> Answer:
    """For whom the operation answers by the code."""
    facts = FACTS | {
        "nom_naissance": name_of(code),
        "ine": f"ERREUR{code}",
        "identifiant": f"erreur-{code}",
        "code_postal": code,
    }
    params: dict[str, Any] = {}
    for check in (check for stage in operation.checks for check in stage):
        for fact, name in names_of(check).items():
            if fact in facts and check.rule != "place_optional":
                is_list = RULES[check.rule].fields[fact].schema.get("type") == "array"
                params[name] = [facts[fact]] if is_list else facts[fact]
    bearer = f"jeton-erreur-{code}" if operation.modality == "france_connect" else token()
    own = {"Authorization": f"Bearer {bearer}"}
    typed = {"X-Api-Key": token()} if operation.path.startswith("/api/v2/") else own
    headers = own if operation.modality == "france_connect" else typed
    return await door.get(f"{operation.path}?{query_of(params)}", headers)


def told(answer: Answer) -> tuple[int, str]:
    """Status and detail, which v2 tells too. A code is told by its text."""
    match answer.body:
        case {"errors": [{"detail": str() as detail}]}:
            pass
        case {"errors": [str() as detail]} | {"error": str(), "reason": str(), "message": str() as detail}:
            pass
        case _:
            raise AssertionError(f"{answer.status} is no error")
    return answer.status, PROVIDER.sub("", detail)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nomenclature(door: Door) -> Any:
    return (await door.get("/api/errors")).body


@pytest.mark.parametrize(("folder", "modalities"), MODALITIES.items(), ids=MODALITIES)
async def test_every_code_of_an_operation_has_an_identity(
    folder: str, modalities: list[Operation], door: Door, nomenclature: Any
) -> None:
    """In v2 the modalities of a path are told together: one of them yields it."""
    checks = [check for one in modalities for stage in one.checks for check in stage]
    of_rules = {code for check in checks for code in RULES[check.rule].codes}
    skipped = OF_NO_ANSWER | of_rules - {reason for one in modalities for reason in one.reasons}
    for code, expected in expected_in(nomenclature["endpoints"][folder]["errors"], skipped).items():
        answers = {told(await ask(door, one, code)) for one in modalities}
        assert answers & expected, (code, answers)


@pytest.mark.parametrize("modality", sorted({one.modality for one in OFFERED.values()} - {"numero_allocataire"}))
async def test_so_has_every_code_of_the_platform(modality: str, door: Door, nomenclature: Any) -> None:
    operation = next(one for one in OFFERED.values() if one.path.startswith("/v") and one.modality == modality)
    codes = expected_in(nomenclature["platform_codes"], OF_NO_ANSWER)
    for code, expected in codes.items():
        assert told(await ask(door, operation, code)) in expected
    assert {"00429", "00015", "00103"} < codes.keys()


def expected_in(errors: Any, skipped: set[str]) -> dict[str, set[tuple[int, str]]]:
    """By code, its status and texts."""
    codes: dict[str, set[tuple[int, str]]] = {}
    for status, item in ((int(status), item) for status, items in errors.items() for item in items):
        if item["code"] not in skipped:
            details = (item["detail"], *(cause["detail"] for cause in item.get("other_causes", ())))
            codes.setdefault(item["code"], set()).update((status, PROVIDER.sub("", detail)) for detail in details)
    return codes


@pytest.mark.parametrize("code", ["00429", "00529", "00501"])
async def test_when_to_ask_again_is_told_as_production_tells_it(code: str, door: Door) -> None:
    answer = await ask(door, OFFERED["api_particulier_v3_men_scolarites_with_civility"], code)
    assert answer.headers["Retry-After"] == str(answer.body["errors"][0]["meta"]["retry_in"])
    assert "RateLimit-Remaining" in answer.headers

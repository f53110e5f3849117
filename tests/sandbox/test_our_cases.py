"""Tests that this repository's sandbox cases are complete, consistent, and equal to production's answers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
import pytest_asyncio

from bouquet_casebook.cases import Case, read_folder
from bouquet_casebook.check import check
from bouquet_casebook.serve import sandbox
from bouquet_gateway.errors.nomenclature import reasons_of
from bouquet_gateway.errors.problems import Problem, render
from bouquet_gateway.offers.catalogue import Catalogue, ServedOperation
from bouquet_proto.failures import PARAMETERS
from bouquet_worker import paris_today
from tests.clients.answers import hand_written_call
from tests.support.sandbox_gateway import OPERATIONS, OURS, SandboxClient, citizen_of, sandbox_at

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVED: dict[str, ServedOperation] = {
    served.operation.id: served
    for modalities in Catalogue(sandbox.offers()).by_path.values()
    for served in modalities
    if served.operation.id in OPERATIONS
}
TODAY = paris_today()
CASES = [
    pytest.param(operation_id, case, id=f"{operation_id}/{case.name}")
    for operation_id in OPERATIONS
    for case in read_folder(OURS / operation_id, TODAY).cases
]
TOKENS = {case.params["token"]: case for case in read_folder(OURS / "france_connect", TODAY).cases}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(OURS) as client:
        yield client


@pytest.mark.parametrize("today", [TODAY, date(2027, 1, 1), date(2027, 8, 31), date(2027, 9, 1), date(2031, 2, 28)])
async def test_check_cases_finds_nothing_in_our_cases_today_or_later(today: date) -> None:
    assert check(OURS, sandbox.offers(), sandbox.published(), today).findings == ()


@pytest.mark.parametrize("operation_id", OPERATIONS)
async def test_every_operation_has_a_case_of_a_person(operation_id: str) -> None:
    assert 200 in {case.status for case in read_folder(OURS / operation_id, TODAY).cases}


@pytest.mark.parametrize(("operation_id", "case"), CASES)
async def test_each_case_is_answered_exactly(operation_id: str, case: Case, client: SandboxClient) -> None:
    if OPERATIONS[operation_id].modality != "france_connect":
        answer = await client.ask(operation_id, case.params)
    else:
        answer = await client.ask(operation_id, hand_written_call(case), citizen=citizen_of(OURS, case))
    assert (answer.status, answer.body) == (case.status, _json(case))


@pytest.mark.parametrize(("operation_id", "case"), [case for case in CASES if "200" not in str(case.id)])
async def test_an_error_is_one_of_production_s(operation_id: str, case: Case) -> None:
    """Tests that each error case has the status, codes and texts of an error that a gateway would give for the case's
    operation."""
    served = SERVED[operation_id]
    made = [
        render(Problem(reason, authority=served.authority), served.problems, "v3")
        for reason in reasons_of(served)
        if reason not in PARAMETERS or reason in served.operation.reasons
    ]
    assert (case.status, _json(case)) in [(status, json.loads(body)) for status, body in made]


@pytest.mark.parametrize("word", ["MAELYS", "JEANNE", "RONAN", "LOUISE", "YANN"])
async def test_a_family_has_the_same_births_in_every_case(word: str) -> None:
    """Tests that the person whose first names contain `word` has the same birth name and birth date in every case."""
    births = set()
    for parameters in CASES:
        case = parameters.values[1]
        assert isinstance(case, Case)
        births |= set(_births(_json(case), word))
    assert len(births) == 1


FAMILY = {
    "MAELYS INES": ("LE GOUADEC", "KERVENNIC", "1989-06-14"),
    "YANN": ("KERVENNIC", None, "1987-01-05"),
    "RONAN MALO": ("KERVENNIC", None, "2012-02-20"),
    "LOUISE": ("KERVENNIC", None, "2016-08-11"),
    "EWEN": ("KERVENNIC", None, f"{TODAY.year - 3}-05-17"),
}
"""Birth name, name of use and birth date of each family member in the cases of the quotient familial. The key is the
member's first names."""
MAELYS, RONAN, LOUISE = (
    {"nomNaissance": name, "prenoms": first, "sexeEtatCivil": sex}
    | dict(zip(("anneeDateNaissance", "moisDateNaissance", "jourDateNaissance"), born, strict=True))
    | {"codeCogInseePaysNaissance": "99100", "codeCogInseeCommuneNaissance": "29019"}
    for name, first, sex, born in (
        ("LE GOUADEC", ["Maëlys", "Inès"], "F", (1989, 6, 14)),
        ("KERVENNIC", ["Ronan", "Malo"], "M", (2012, 2, 20)),
        ("KERVENNIC", ["Louise"], "F", (2016, 8, 11)),
    )
)


async def test_a_family_answers_alike_across_its_rights_and_schools(client: SandboxClient) -> None:
    """Tests that the answers of several operations about one family agree on its household and its children."""

    async def data_about(resource: str, who: dict[str, Any], **more: str) -> Any:
        answer = await client.ask(f"api_particulier_{resource}_with_civility", who | more)
        assert answer.status == 200
        return answer.body["data"]

    quotient = await data_about("v3_cnav_quotient_familial", MAELYS)
    creche = await data_about("v3_cnav_participation_familiale_eaje", MAELYS)
    for household in (quotient, creche):
        people = [*household["allocataires"], *household["enfants"]]
        assert {
            one["prenoms"]: (one["nom_naissance"], one["nom_usage"], one["date_naissance"]) for one in people
        } == FAMILY
    parameters = creche["parametres_calcul_participation_familiale"]
    assert (parameters["nombre_enfants_a_charge"], parameters["nombre_enfants_beneficiaire_aeeh"]) == (3, 1)
    rights = {
        resource: [(await data_about(f"v3_cnav_{resource}", who))["status"] for who in (MAELYS, LOUISE)]
        for resource in ("allocation_enfant_handicape", "allocation_rentree_scolaire")
    }
    assert set(map(tuple, rights.values())) == {("allocataire", "ouvrant_droit")}
    for who, first_names, school in ((RONAN, "RONAN MALO", "0299417N"), (LOUISE, "LOUISE", "0299254H")):
        pupil = await data_about("v5_men_scolarites", who, codeEtablissement=school, anneeScolaire="2025-2026")
        name, _, born = FAMILY[first_names]
        assert (pupil["identite"]["nom"], pupil["identite"]["date_naissance"]) == (name, born)


async def test_every_person_of_the_readme_has_a_case() -> None:
    """Tests that the README of the cases mentions every token, INE and identifier by which a caller finds a case."""
    named = set(re.findall(r"`([^` ]+)`", (OURS / "README.md").read_text(encoding="utf-8")))
    params = [parameters.values[1].params for parameters in CASES if isinstance(parameters.values[1], Case)]
    here = {str(value) for each in params for name, value in each.items() if name in ("ine", "identifiant")}
    assert here | TOKENS.keys() <= named


def _births(node: Any, word: str) -> list[tuple[str, str]]:
    match node:
        case {"date_naissance": born, **rest}:
            names = str(rest.get("prenoms") or rest.get("prenom")).upper().translate(str.maketrans("ËÉ", "EE"))
            name = str(rest.get("nom_naissance") or rest.get("nom"))
            return [(name, born)] if word in names else []
        case dict():
            return [birth for value in node.values() for birth in _births(value, word)]
        case list():
            return [birth for item in node for birth in _births(item, word)]
        case _:
            return []


def _json(case: Case) -> Any:
    return json.loads(bytes(case.payload))

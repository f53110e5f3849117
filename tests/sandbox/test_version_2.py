"""Version 2 of our sandbox: every path answers for the people of its successors' cases, and from no file of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bouquet_casebook.cases import Case, read_folder
from bouquet_casebook.version_2 import BODIES, successor_of
from bouquet_proto.offer import Operation
from bouquet_worker.worker import paris_today
from tests.sandbox.folders import Folder, found
from tests.sandbox.gateway import OURS, Answer, Door, citizen_of, query_of, sandbox_at, token
from tests.sandbox.version_2 import OFFERED, found_for, in_v2
from tests.support.openapi import assert_official

pytestmark = pytest.mark.asyncio(loop_scope="module")

OLDER = {operation.folder: operation for operation in OFFERED.values() if operation.path.startswith("/api/v2/")}
TODAY = paris_today()
ITS_WORDS = {"admis", "inscrit", "définitif", "provisoire (conditionnel)", "formation initiale"}
UNOFFICIAL = {"api_particulier_v2_men_scolarites", "api_particulier_v2_pole_emploi_indemnites"}
"""The document has other names there than the reference's code and sandbox (docs/contract.md)."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door() -> AsyncIterator[Door]:
    async with sandbox_at(OURS) as door:
        yield door


async def ask(door: Door, operation: Operation, params: dict[str, Any], citizen: str = "") -> Answer:
    headers = {"Authorization": f"Bearer {citizen}"} if citizen else {"X-Api-Key": token()}
    return await door.get(f"{operation.path}?{query_of(params)}", headers)


def cases() -> list[Any]:
    return [
        pytest.param(operation, case, id=f"{operation.id}/{case.name}")
        for operation in OFFERED.values()
        if operation.modality != "france_connect"
        for case in found_for(operation)
    ]


@pytest.mark.parametrize(("operation", "case"), cases())
async def test_a_case_of_its_successor_is_answered_in_its_words(operation: Operation, case: Case, door: Door) -> None:
    answer = await ask(door, operation, in_v2(operation, dict(case.params)))
    assert answer.status == 200
    if operation.folder not in UNOFFICIAL:
        assert_official(operation.folder, answer.body)
    assert said_of(answer.body) <= said_of([json.loads(bytes(case.payload))["data"], case.params]) | ITS_WORDS


def said_of(node: Any) -> set[str]:
    """Every date and text that is told of somebody, whatever it is called."""
    match node:
        case dict():
            return {said for value in node.values() for said in said_of(value)}
        case list():
            return {said for value in node for said in said_of(value)}
        case str() if len(node) > 4 and "beneficiaire" not in node:
            return {node}
        case _:
            return set()


async def test_every_path_of_version_2_has_somebody() -> None:
    of_successors = {parameters.values[0].folder for parameters in cases()}
    of_its_own = {folder for folder in OLDER if (OURS / folder).is_dir()}
    assert of_successors | of_its_own == OLDER.keys()
    assert of_successors == BODIES.keys()


@pytest.mark.parametrize("folder", [name for name in BODIES if f"{name}_with_france_connect" in OFFERED])
async def test_a_citizen_is_shown_as_by_civil_status(folder: str, door: Door) -> None:
    operation = OFFERED[f"{folder}_with_france_connect"]
    successor = successor_of(operation, OFFERED)
    assert successor is not None
    case = next(one for one in read_folder(OURS / successor.folder, TODAY).cases if one.name == NAMED[folder])
    answer = await ask(door, operation, {}, citizen_of(OURS, case))
    assert answer.status == 200
    assert_official(folder, answer.body)


STUDENTS = {
    "api_particulier_v2_mesri_student_status": "200_jeanne_tous_prenoms.yaml",
    "api_particulier_v2_cnous_student_scholarship": "200_jeanne.yaml",
}
NAMED = dict.fromkeys(BODIES, "200_theodore.yaml") | STUDENTS


async def test_an_error_of_the_successor_is_told_in_the_words_of_version_2(door: Door) -> None:
    params = read_folder(OURS / "api_particulier_v5_men_scolarites_with_civility", TODAY).cases
    absent = next(case for case in params if case.name == "404_basile_2024.yaml")
    operation = OFFERED["api_particulier_v2_men_scolarites"]
    answer = await ask(door, operation, in_v2(operation, dict(absent.params)))
    assert (answer.status, answer.body["error"]) == (404, "not_found")
    assert answer.body["message"] == json.loads(bytes(absent.payload))["errors"][0]["detail"]


async def test_a_folder_of_its_own_is_answered_from_alone(tmp_path: Any) -> None:
    folder = "api_particulier_v2_pole_emploi_statut"
    Folder(tmp_path, folder).add("200.yaml", {"identifiant": "a"}, {"identifiant": "mine"})
    newer = Folder(tmp_path, "api_particulier_v3_france_travail_statut_with_identifiant")
    for identifiant in ("a", "b"):
        newer.add(f"{identifiant}.yaml", {"identifiant": identifiant}, found({"identifiant": "newer"}))
    async with sandbox_at(tmp_path) as own:
        mine, nobody = [await ask(own, OFFERED[folder], {"identifiant": one}) for one in ("a", "b")]
    assert (mine.body, nobody.status) == ({"identifiant": "mine"}, 404)

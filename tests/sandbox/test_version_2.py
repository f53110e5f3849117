"""Tests of version 2 in the sandbox. It has no case files: it answers from the cases of the operation that replaces
it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bouquet_casebook.cases import Case, read_folder
from bouquet_casebook.serve import sandbox
from bouquet_casebook.version_2 import missing_members
from bouquet_proto.messages import Found
from bouquet_proto.offer import Operation
from bouquet_worker import paris_today
from tests.providers.v2 import shown
from tests.sandbox.folders import Folder, found
from tests.sandbox.version_2 import FROM_SUCCESSORS, OFFERED, found_for, in_v2
from tests.support.openapi import assert_official
from tests.support.sandbox_gateway import OURS, Answer, SandboxClient, citizen_of, query_of, sandbox_at, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

OLDER = {operation.folder: operation for operation in OFFERED.values() if operation.path.startswith("/api/v2/")}
TODAY = paris_today()
PUBLISHED = sandbox.published()
FOLDERS = {OFFERED[name].folder for name in FROM_SUCCESSORS}
STUDENT = OFFERED["api_particulier_v2_mesri_student_status_with_ine"]
JEANNE = "051121032HA"
ENROLLED = {"statut", "regime", "dateDebutInscription", "dateFinInscription"}
ADMITTED = {"statut", "regime", "dateDebutAdmission", "dateFinAdmission"}
UNOFFICIAL = {"api_particulier_v2_men_scolarites", "api_particulier_v2_pole_emploi_indemnites"}
"""Operations of version 2 in which a field has another name in the official document than in API Particulier's code
(docs/contract.md)."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(OURS) as client:
        yield client


async def ask(
    client: SandboxClient,
    operation: Operation,
    params: dict[str, Any],
    citizen: str = "",
    scopes: Iterable[str] | None = None,
) -> Answer:
    headers = {"Authorization": f"Bearer {citizen}"} if citizen else {"X-Api-Key": token(scopes)}
    return await client.get(f"{operation.path}?{query_of(params)}", headers)


def cases() -> list[Any]:
    return [
        pytest.param(operation, case, id=f"{operation.id}/{case.name}")
        for operation in OFFERED.values()
        if not operation.by_session
        for case in found_for(operation)
    ]


@pytest.mark.parametrize(("operation", "case"), cases())
async def test_a_case_of_the_successor_is_shown_by_the_worker_s_view_of_version_2(
    operation: Operation, case: Case, client: SandboxClient
) -> None:
    answer = await ask(client, operation, in_v2(operation, dict(case.params)))
    assert answer.status == 200
    if operation.folder not in UNOFFICIAL:
        assert_official(operation.folder, answer.body)
    result = result_of(operation, case)
    data = Found(msgspec.Raw(msgspec.json.encode(PUBLISHED[operation.id].view(result))))
    assert answer.body == shown(data, operation)


def result_of(operation: Operation, case: Case) -> Any:
    """Returns the result that a worker would send for the person of a case. The gateway makes the version 2 answer from
    such a result."""
    data = json.loads(bytes(case.payload))["data"]
    asked = {"ine": case.params["ine"]} if operation.modality == "ine" else {}
    result = msgspec.convert(missing_members(data) | asked | data, PUBLISHED[operation.id].result)
    seen = msgspec.to_builtins(PUBLISHED[FROM_SUCCESSORS[operation.id].successor.id].view(result))
    assert without_birth_parts(seen) == data
    return result


def without_birth_parts(node: Any) -> Any:
    """Returns data without the separate fields for year, month and day of birth. A case that gives the whole date may
    leave them out (docs/reference/contract.md §1.6.1)."""
    match node:
        case dict():
            return {name: without_birth_parts(one) for name, one in node.items() if "_date_de_naissance" not in name}
        case list() | tuple():
            return [without_birth_parts(one) for one in node]
        case _:
            return node


@pytest.mark.parametrize(
    ("provisional", "expected"),
    [(False, (0, "définitif")), (True, (1, "provisoire (conditionnel)")), (None, (None, None))],
)
async def test_a_grant_is_final_where_its_successor_says_so(
    provisional: bool | None, expected: Any, tmp_path: Any
) -> None:
    operation = OFFERED["api_particulier_v2_cnous_student_scholarship_with_ine"]
    data = data_of("api_particulier_v5_cnous_etudiant_boursier_with_ine", "200_jeanne.yaml")
    data["echelon_bourse"]["echelon_bourse_regionale_provisoire"] = provisional
    Folder(tmp_path, FROM_SUCCESSORS[operation.id].successor.folder).add("200.yaml", {"ine": JEANNE}, found(data))
    async with sandbox_at(tmp_path) as client:
        answer = await ask(client, operation, {"ine": JEANNE})
    assert (answer.body["statut"], answer.body["statutLibelle"]) == expected


def data_of(folder: str, name: str) -> Any:
    [case] = [one for one in read_folder(OURS / folder, TODAY).cases if one.name == name]
    return json.loads(bytes(case.payload))["data"]


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (["mesri_etablissements"], [set(), set()]),
        (["mesri_inscription_autre", "mesri_etablissements"], [set(), set()]),
        (["mesri_inscription_etudiant"], [ENROLLED, set()]),
        (["mesri_admission"], [set(), ADMITTED]),
        (["mesri_admission", "mesri_etablissements"], [set(), ADMITTED | {"etablissement", "codeCommune"}]),
    ],
)
async def test_an_enrolment_is_shown_with_the_scope_of_its_kind(
    scopes: list[str], expected: list[set[str]], client: SandboxClient
) -> None:
    answer = await ask(client, STUDENT, {"ine": JEANNE}, scopes=scopes)
    assert [one.keys() for one in answer.body["inscriptions"]] == expected


@pytest.mark.parametrize(
    "changed",
    [{"est_inscrit": None}, {"est_inscrit": True, "regime_formation": {"libelle": "microcertification", "code": None}}],
    ids=["enrolled or not", "of no known regime"],
)
async def test_an_enrolment_of_no_kind_is_shown_to_nobody(changed: dict[str, Any], tmp_path: Any) -> None:
    data = data_of("api_particulier_v3_mesri_statut_etudiant_with_ine", "200_jeanne.yaml")
    data["admissions"][0] |= changed
    Folder(tmp_path, FROM_SUCCESSORS[STUDENT.id].successor.folder).add("200.yaml", {"ine": JEANNE}, found(data))
    async with sandbox_at(tmp_path) as client:
        answer = await ask(client, STUDENT, {"ine": JEANNE})
    assert answer.body["inscriptions"][0] == {}
    assert answer.body["inscriptions"][1].keys() >= ADMITTED


async def test_a_case_that_version_2_cannot_show_is_an_error_and_no_absence(tmp_path: Any, caplog: Any) -> None:
    data = data_of("api_particulier_v3_mesri_statut_etudiant_with_ine", "200_jeanne.yaml")
    del data["admissions"]
    folder = FROM_SUCCESSORS[STUDENT.id].successor.folder
    Folder(tmp_path, folder).add("200.yaml", {"ine": JEANNE}, found(data))
    async with sandbox_at(tmp_path) as client:
        answer = await ask(client, STUDENT, {"ine": JEANNE})
    assert (answer.status, answer.body["error"]) == (503, "provider_unknown_error")
    [record] = [record for record in caplog.records if record.message == "case that version 2 cannot show"]
    assert (record.operation, record.file) == (folder, "200.yaml")


async def test_every_path_of_version_2_has_a_person() -> None:
    of_successors = {parameters.values[0].folder for parameters in cases()}
    of_its_own = {folder for folder in OLDER if (OURS / folder).is_dir()}
    assert of_successors | of_its_own == OLDER.keys()
    assert of_successors == FOLDERS


@pytest.mark.parametrize("folder", [name for name in sorted(FOLDERS) if f"{name}_with_france_connect" in OFFERED])
async def test_a_citizen_is_shown_as_by_civil_status(folder: str, client: SandboxClient) -> None:
    operation = OFFERED[f"{folder}_with_france_connect"]
    successor = FROM_SUCCESSORS[operation.id].successor
    case = next(one for one in read_folder(OURS / successor.folder, TODAY).cases if one.name == NAMED[folder])
    answer = await ask(client, operation, {}, citizen_of(OURS, case))
    assert answer.status == 200
    assert_official(folder, answer.body)


STUDENTS = {
    "api_particulier_v2_mesri_student_status": "200_jeanne_tous_prenoms.yaml",
    "api_particulier_v2_cnous_student_scholarship": "200_jeanne.yaml",
}
NAMED = dict.fromkeys(FOLDERS, "200_theodore.yaml") | STUDENTS


async def test_an_error_of_the_successor_has_the_body_of_version_2(client: SandboxClient) -> None:
    params = read_folder(OURS / "api_particulier_v5_men_scolarites_with_civility", TODAY).cases
    absent = next(case for case in params if case.name == "404_basile_2024.yaml")
    operation = OFFERED["api_particulier_v2_men_scolarites"]
    answer = await ask(client, operation, in_v2(operation, dict(absent.params)))
    assert (answer.status, answer.body["error"]) == (404, "not_found")
    assert answer.body["message"] == json.loads(bytes(absent.payload))["errors"][0]["detail"]


async def test_a_folder_of_version_2_with_cases_is_the_only_source_of_its_answers(tmp_path: Any) -> None:
    folder = "api_particulier_v2_pole_emploi_statut"
    Folder(tmp_path, folder).add("200.yaml", {"identifiant": "a"}, {"identifiant": "mine"})
    newer = Folder(tmp_path, "api_particulier_v3_france_travail_statut_with_identifiant")
    for identifiant in ("a", "b"):
        newer.add(f"{identifiant}.yaml", {"identifiant": identifiant}, found({"identifiant": "newer"}))
    async with sandbox_at(tmp_path) as own:
        mine, nobody = [await ask(own, OFFERED[folder], {"identifiant": one}) for one in ("a", "b")]
    assert (mine.body, nobody.status) == ({"identifiant": "mine"}, 404)

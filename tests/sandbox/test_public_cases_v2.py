"""Tests of the public cases of version 2 over HTTP. A version 2 path accepts a person in several ways (modalities),
whose cases share a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bouquet_casebook.serve import sandbox
from bouquet_proto.offer import Operation
from tests.sandbox.public import CASES, HERE, files_of, findings, read
from tests.support.openapi import assert_official
from tests.support.sandbox_gateway import NOBODY, Answer, SandboxClient, query_of, sandbox_at, token

pytestmark = [HERE, pytest.mark.asyncio(loop_scope="module")]

OFFERED = [operation for offer in sandbox.offers() for operation in offer.operations]
FOLDERS: dict[str, Operation] = {
    operation.folder: operation for operation in OFFERED if operation.path.startswith("/api/v2/")
}
"""Version 2 operations by the case folder from which the sandbox answers them. Operations that share a folder share a
path too, so one operation per folder is enough."""

STUDENT, SCHOLARSHIP = "api_particulier_v2_mesri_student_status", "api_particulier_v2_cnous_student_scholarship"
QUOTIENT = "api_particulier_v2_cnav_quotient_familial_v2"
C2S, AAH = (
    "api_particulier_v2_cnav_complementaire_sante_solidaire",
    "api_particulier_v2_cnav_allocation_adulte_handicape",
)
PUPIL = "api_particulier_v2_men_scolarites"

CIVIL_STATUS = {
    "nom": "QUIDAM",
    "prenom": "Alix",
    "dateDeNaissance": "1984-06-06",
    "dateNaissance": "1984-06-06",
    "sexe": "f",
    "anneeDateDeNaissance": 1984,
    "moisDateDeNaissance": 6,
    "jourDateDeNaissance": 6,
    "codePaysLieuDeNaissance": "99100",
    "codeInseeLieuDeNaissance": "86194",
    "numeroAllocataire": "1000000",
    "codePostal": "86000",
}


BY_SESSION = {CASES / SCHOLARSHIP / "fake_france_connect_cnous_2.yml"}
"""Cases that only a call with a FranceConnect session can reach, because they name their parameters as FranceConnect
does."""
UNOFFICIAL = {CASES / QUOTIENT / "200-couple-2_enfants-second-allocataire-qf_300.yaml"}
"""Cases that contradict the official document: they give the regime `CAF`, but the document allows only `CNAF`."""


def lost() -> set[Path]:
    return {CASES / one.folder / one.file for one in findings() if one.problem.startswith("unreachable")}


def cases(*, reachable: bool) -> list[Any]:
    """Returns the public version 2 cases that a call finds with the parameters written in the case or, if `reachable`
    is false, those that it does not find. Cases for FranceConnect sessions and default cases (`404.yaml`) are left
    out."""
    return [
        pytest.param(file, id=f"{folder}/{file.stem}")
        for folder in FOLDERS
        for file in files_of(CASES, folder)
        if file.name != "404.yaml" and file not in BY_SESSION and (file in lost()) is not reachable
    ]


async def ask(client: SandboxClient, folder: str, params: Mapping[str, Any], citizen: str = "") -> Answer:
    """Calls the version 2 path that answers from `folder`, with a FranceConnect session or else a token."""
    headers = {"Authorization": f"Bearer {citizen}"} if citizen else {"X-Api-Key": token()}
    return await client.get(f"{FOLDERS[folder].path}?{query_of(params)}", headers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(CASES) as client:
        yield client


async def test_all_the_public_folders_are_served() -> None:
    assert {path.name for path in CASES.glob("api_particulier_v2_*")} == FOLDERS.keys()


@pytest.mark.parametrize("file", cases(reachable=True))
async def test_each_case_is_answered_exactly(file: Path, client: SandboxClient) -> None:
    params, status, body = read(file)
    answer = await ask(client, file.parent.name, params)
    assert (answer.status, answer.body) == (status, body)
    if status == 200 and file not in UNOFFICIAL:
        assert_official(file.parent.name, answer.body)


@pytest.mark.parametrize("folder", FOLDERS)
async def test_an_unknown_person_gets_the_default_case(folder: str, client: SandboxClient) -> None:
    params = NOBODY | CIVIL_STATUS | ({"prenoms": "Alix"} if folder == SCHOLARSHIP else {})
    del params["ine"]
    _, status, body = read(CASES / folder / "404.yaml")
    answer = await ask(client, folder, params)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize("folder", [STUDENT, SCHOLARSHIP])
async def test_an_ine_comes_before_civil_status(folder: str, client: SandboxClient) -> None:
    params, status, body = read(CASES / folder / "404.yaml")
    answer = await ask(client, folder, CIVIL_STATUS | params)
    assert (answer.status, answer.body) == (status, body)
    assert (await ask(client, folder, {"ine": "1234"})).body[
        "message"
    ] == "Le numéro d'INE n'est pas correctement formatté"
    assert (await ask(client, folder, {"ine": " "})).body["message"] == "Le nom de naissance est manquant"


UNREACHABLE = {
    # What refuses them, or the default's 404 where their keys are none that a call has
    # (docs/reference/contract.md §6.6).
    f"{QUOTIENT}/200-couple-2_enfants-cas-etranger-qf_msa_600": "Le nom de naissance est manquant",
    f"{QUOTIENT}/200-identite-cas-etranger-qf_424": "Le nom de naissance est manquant",
    f"{SCHOLARSHIP}/409": "",
    f"{SCHOLARSHIP}/civility": "",
    f"{SCHOLARSHIP}/fake_france_connect_cnous_with_less_scopes": "Le nom de naissance est manquant",
    f"{SCHOLARSHIP}/france_connect_cnous": "Le nom de naissance est manquant",
    f"{PUPIL}/400": "Le sexe de l'état civil est manquant",
    f"{STUDENT}/ine_697720085AO": "Le numéro d'INE n'est pas correctement formatté",
}


@pytest.mark.parametrize("file", cases(reachable=False))
async def test_a_case_that_no_question_reaches_is_not_answered(file: Path, client: SandboxClient) -> None:
    folder, params = file.parent.name, read(file)[0]
    refusal = UNREACHABLE[f"{folder}/{file.stem}"]
    answer = await ask(client, folder, params)
    default = read(CASES / folder / "404.yaml")
    assert (answer.status, answer.body) == (
        (400, {"error": "bad_request", "reason": refusal, "message": refusal}) if refusal else default[1:]
    )


@pytest.mark.parametrize(
    ("citizen", "folder", "name"),
    [
        ("all_fc", SCHOLARSHIP, "fake_france_connect_cnous_2.yml"),
        ("ALL_FC", SCHOLARSHIP, "fake_france_connect_cnous_2.yml"),
        ("cnous", SCHOLARSHIP, "404.yaml"),  # its own case is not among those that we have
        ("mesri", STUDENT, "404.yaml"),  # neither
        ("all_fc", STUDENT, "404.yaml"),
        ("all_fc", QUOTIENT, "404.yaml"),
        ("all_fc", AAH, "404.yaml"),
        ("cnaf_qfv2", QUOTIENT, "404.yaml"),
        ("cnaf_eaje", QUOTIENT, "404.yaml"),
        ("cnaf_css", C2S, "404.yaml"),
    ],
)
async def test_a_simulated_session_gets_its_case(citizen: str, folder: str, name: str, client: SandboxClient) -> None:
    _, status, body = read(CASES / folder / name)
    answer = await ask(client, folder, {}, citizen)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(("citizen", "folder"), [("cnous", STUDENT), ("mesri", QUOTIENT), ("nobody", AAH)])
async def test_a_simulated_session_opens_the_fields_of_its_scopes(
    citizen: str, folder: str, client: SandboxClient
) -> None:
    answer = await ask(client, folder, {}, citizen)
    assert (answer.status, answer.body["error"]) == (401, "access_denied")

"""Tests of the public cases of API Particulier's sandbox, over HTTP, with the parameters written in each case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bouquet_proto.failures import PARAMETERS
from tests.sandbox.public import CASES, HERE, files_of, reachable, read
from tests.support.contract_changes import ADDED_OPERATIONS, SESSION_MISSING, SESSION_UNKNOWN
from tests.support.sandbox_gateway import (
    BY_FRANCE_CONNECT,
    BY_PARAMETERS,
    NOBODY,
    OPERATIONS,
    SandboxClient,
    query_of,
    sandbox_at,
)

pytestmark = [HERE, pytest.mark.asyncio(loop_scope="module")]

SCHOLARSHIP_V3, SCHOLARSHIP_V4 = (f"api_particulier_v{n}_cnous_etudiant_boursier_with_france_connect" for n in (3, 4))
STUDENT = "api_particulier_v3_mesri_statut_etudiant_with_france_connect"
NATIONAL_SERVICE = "api_particulier_v3_dsnj_service_national_with_france_connect"
VEHICLE = "api_particulier_v3_ants_extrait_immatriculation_vehicule_with_france_connect"
CIVIC_SERVICE = "api_particulier_v3_gip_mds_service_civique_with_france_connect"
QUOTIENT, C2S, EAJE, AEEH = (
    f"api_particulier_v3_cnav_{name}_with_france_connect"
    for name in (
        "quotient_familial",
        "complementaire_sante_solidaire",
        "participation_familiale_eaje",
        "allocation_enfant_handicape",
    )
)
WITHOUT_DEFAULT = "api_particulier_v4_cnous_"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(CASES) as client:
        yield client


@pytest.mark.parametrize("file", [pytest.param(file, id=f"{file.parent.name}/{file.stem}") for file in reachable()])
async def test_each_case_is_answered_exactly(file: Path, client: SandboxClient) -> None:
    params, status, body = read(file)
    answer = await client.ask(file.parent.name, params)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(
    "operation_id",
    [name for name in BY_PARAMETERS if not name.startswith(WITHOUT_DEFAULT) and name not in ADDED_OPERATIONS],
)
async def test_an_unknown_person_gets_the_default_case(operation_id: str, client: SandboxClient) -> None:
    _, status, body = read(CASES / operation_id / "404.yaml")
    answer = await client.ask(operation_id, NOBODY)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize("operation_id", [name for name in BY_PARAMETERS if name.startswith(WITHOUT_DEFAULT)])
async def test_without_a_default_production_s_own_answer(operation_id: str, client: SandboxClient) -> None:
    answer = await client.ask(operation_id, NOBODY)
    assert (answer.status, answer.body["errors"][0]["code"]) == (404, "26003")


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, id=f"{file.parent.name}/{file.stem}")
        for name in BY_PARAMETERS
        for file in files_of(CASES, name)
        if file.name != "404.yaml" and file not in reachable()
    ],
)
async def test_a_case_that_its_parameters_do_not_reach_is_not_answered(file: Path, client: SandboxClient) -> None:
    """Tests that a public case with misspelt parameters is never answered: a call with these parameters is refused or
    gets the default case (`404.yaml`)."""
    params, _, body = read(file)
    answer = await client.ask(file.parent.name, params)
    assert answer.body != body
    if answer.status == 422:
        assert {error["code"] for error in answer.body["errors"]} <= PARAMETERS.keys()
    else:
        assert answer.body == read(CASES / file.parent.name / "404.yaml")[2]


TOO_OLD = (
    "200_indetermine",
    "200_non_concerne",
    "200_pas_en_regle",
    "403_access_denied",
    "404",
    "429_quota_exceeded",
    "502_bad_gateway",
    "504_gateway_timeout",
)
"""Public cases of national service whose person is not from 16 to 25 years old, so that their parameters are refused.
`404` is answered as the default case all the same."""


@pytest.mark.parametrize("name", TOO_OLD)
async def test_a_case_of_an_age_without_national_service_is_refused(name: str, client: SandboxClient) -> None:
    operation_id = NATIONAL_SERVICE.replace("france_connect", "civility")
    params, _, _ = read(CASES / operation_id / f"{name}.yaml")
    answer = await client.ask(operation_id, params)
    assert answer.status == 422
    [error] = answer.body["errors"]
    assert (error["code"], error["title"]) == ("39400", "Age non pertinent pour le Service National")
    assert error["meta"] == {"provider": "DSNJ"}


@pytest.mark.parametrize(
    ("citizen", "operation_id", "name"),
    [
        ("cnous", SCHOLARSHIP_V3, "fake_france_connect_cnous.yml"),
        ("CNOUS", SCHOLARSHIP_V3, "fake_france_connect_cnous.yml"),
        ("cnous_with_less_scopes", SCHOLARSHIP_V3, "fake_france_connect_cnous.yml"),
        ("all_fc", STUDENT, "fake_france_connect_mesri.yml"),
        ("all_fc", SCHOLARSHIP_V3, "404.yaml"),
        ("service_civique", CIVIC_SERVICE, "fake_france_connect_service_civique.yaml"),
        ("all_fc", QUOTIENT, "404.yaml"),
        ("all_fc", C2S, "404.yaml"),
        ("cnaf_css", C2S, "404.yaml"),
        ("cnaf_qfv2", QUOTIENT, "404.yaml"),
        ("cnaf_eaje", QUOTIENT, "404.yaml"),
    ],
)
async def test_a_simulated_session_gets_its_case(
    citizen: str, operation_id: str, name: str, client: SandboxClient
) -> None:
    _, status, body = read(CASES / operation_id / name)
    answer = await client.ask(operation_id, {}, citizen=citizen)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize("file", [pytest.param(file, id=file.stem) for file in files_of(CASES, VEHICLE)])
async def test_each_case_of_a_vehicle_is_answered_exactly(file: Path, client: SandboxClient) -> None:
    """Tests that every public plate is answered, whoever the citizen is: none is refused for its parameters."""
    params, status, body = read(file)
    for citizen in ("ants", "all_fc"):
        answer = await client.ask(VEHICLE, params, citizen=citizen)
        assert (answer.status, answer.body) == (status, body)


async def test_an_unknown_plate_gets_the_default_case_and_no_plate_is_refused(client: SandboxClient) -> None:
    _, status, body = read(CASES / VEHICLE / "404.yaml")
    answer = await client.ask(VEHICLE, {"immatriculation": "QU-000-AM"}, citizen="ants")
    assert (answer.status, answer.body) == (status, body)
    refused = await client.ask(VEHICLE, {}, citizen="ants")
    assert (refused.status, refused.body["errors"][0]["code"]) == (422, "00430")


@pytest.mark.parametrize(
    ("citizen", "operation_id", "expected"),
    [
        ("cnous", SCHOLARSHIP_V4, (404, "26003")),  # API Particulier crashes (docs/contract.md, B3)
        ("all_fc", SCHOLARSHIP_V4, (404, "26003")),
        ("cnaf_eaje", EAJE, (403, "00100")),
        ("all_fc", EAJE, (403, "00100")),
        ("all_fc", AEEH, (403, "00100")),
        ("all_fc", NATIONAL_SERVICE, (422, "39400")),  # born in 1994
        ("mesri", SCHOLARSHIP_V3, (403, "00100")),
        ("nobody", STUDENT, (401, SESSION_UNKNOWN.now)),
        ("404.yaml", STUDENT, (401, SESSION_UNKNOWN.now)),
    ],
)
async def test_a_simulated_session_opens_the_fields_of_its_scopes(
    citizen: str, operation_id: str, expected: Any, client: SandboxClient
) -> None:
    answer = await client.ask(operation_id, {}, citizen=citizen)
    assert (answer.status, answer.body["errors"][0]["code"]) == expected


@pytest.mark.parametrize("operation_id", BY_FRANCE_CONNECT)
async def test_a_caller_s_token_does_not_open_a_france_connect_path(operation_id: str, client: SandboxClient) -> None:
    """Tests that a call without credentials, and a call with a token in `X-Api-Key`, get the 401 for a missing
    FranceConnect session (docs/contract.md, D9)."""
    path = f"{OPERATIONS[operation_id].path}?{query_of({})}"
    for headers in ({}, {"X-Api-Key": "a.b.c"}):
        answer = await client.get(path, headers)
        assert (answer.status, answer.body["errors"][0]["code"]) == (401, SESSION_MISSING.now)

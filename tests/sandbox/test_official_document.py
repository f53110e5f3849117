"""Tests of compatibility with API Particulier's official OpenAPI document: answers, parameters and generated
clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from bouquet_casebook.cases import Case, read_folder
from bouquet_worker import paris_today
from tests.clients import python_client
from tests.clients.answers import hand_written_call
from tests.clients.documents import in_production
from tests.sandbox.public import CASES, reachable
from tests.support.contract_changes import ADDED_OPERATIONS, OPTIONAL_PARAMETERS
from tests.support.openapi import DOCUMENT, assert_official
from tests.support.reference import needs
from tests.support.sandbox_gateway import OPERATIONS, OURS, RECIPIENT, SandboxClient, citizen_of, sandbox_at, token

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    needs(DOCUMENT),
]

IMPOSSIBLE = ("ine.yaml", "ine_655888578AE.yaml")
"""Public cases with an enrolment that ends on 31 June, a date that does not exist."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ours() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(OURS) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def public() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(CASES) as client:
        yield client


def found(root: Path, operation_id: str) -> list[Case]:
    return [case for case in read_folder(root / operation_id, paris_today()).cases if case.status == 200]


@pytest.mark.parametrize(
    ("operation_id", "case"),
    [
        pytest.param(operation_id, case, id=f"{operation_id}/{case.name}")
        for operation_id in OPERATIONS
        for case in found(OURS, operation_id)
    ],
)
async def test_answers_to_our_cases_fit_the_official_document(
    operation_id: str, case: Case, ours: SandboxClient
) -> None:
    if OPERATIONS[operation_id].modality == "france_connect":
        answer = await ours.ask(operation_id, hand_written_call(case), citizen=citizen_of(OURS, case))
    else:
        answer = await ours.ask(operation_id, case.params)
    assert answer.status == 200
    assert_official(operation_id, answer.body["data"])


@pytest.mark.parametrize(
    ("operation_id", "case"),
    [
        pytest.param(operation_id, case, id=f"{operation_id}/{case.name}")
        for operation_id in OPERATIONS
        for case in found(CASES, operation_id)
        if CASES / operation_id / case.name in reachable() and case.name not in IMPOSSIBLE
    ],
)
async def test_the_public_cases_fit(operation_id: str, case: Case, public: SandboxClient) -> None:
    answer = await public.ask(operation_id, case.params)
    assert answer.status == 200
    assert_official(operation_id, answer.body["data"])


# docs/contract.md tells why.
NARROWER: dict[str, dict[str, object]] = {
    "recipient": {"pattern": "^[0-9]{14}$"},
    "anneeScolaire": {"pattern": r"^(\d{4}|\d{4}-\d{4})$"},
    "codeEtablissement": {"pattern": r"^\d{7}\w$"},
    "degreEtablissement": {"enum": ["1D", "2D"]},
}
"""Schema restrictions that Bouquet's document has and the official document lacks, by parameter name."""
ITS_PATHS = {
    one.path: OPERATIONS[ADDED_OPERATIONS[one.id].like if one.id in ADDED_OPERATIONS else one.id].path
    for one in OPERATIONS.values()
}
"""Map from each path of Bouquet's document to the official path with which tests compare it. If the official document
lacks the operation, this is the path of a similar one."""
ADDED = {"campaignYear": "/v3/cnous/", "delegation_id": "/v"}
"""Parameters that Bouquet documents and API Particulier accepts, but that are missing from this edition of the official
document. Each is mapped to the prefix of the paths that accept it."""


def parameters(paths: Mapping[str, Any], path: str) -> dict[tuple[str, str], Any]:
    return {(one["name"], one["in"]): one for one in paths[path]["get"].get("parameters", ())}


@pytest.mark.parametrize("path", [operation.path for operation in OPERATIONS.values()])
async def test_parameters_are_those_of_the_official_document(path: str) -> None:
    theirs, own = parameters(official(), ITS_PATHS[path]), parameters(in_production()["paths"], path)
    assert {name for name, _ in own.keys() - theirs.keys()} == {
        name for name, prefix in ADDED.items() if path.startswith(prefix)
    }
    assert theirs.keys() <= own.keys()
    for (name, place), parameter in theirs.items():
        mine = own[name, place]
        assert mine["schema"] == _schema(parameter) | NARROWER.get(name, {}), name
        is_optional = name in OPTIONAL_PARAMETERS and path.startswith(OPTIONAL_PARAMETERS[name].below)
        assert mine["required"] == (parameter.get("required", False) and not is_optional), name


def _schema(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a parameter's schema for comparison, without its example and `maxItems`."""
    # API Particulier does not enforce the largest number of first names (`maxItems`).
    return {key: value for key, value in parameter["schema"].items() if key not in ("example", "maxItems")}


@pytest.mark.parametrize("path", [operation.path for operation in OPERATIONS.values()])
async def test_statuses_include_those_of_the_official_document(path: str) -> None:
    """Tests that Bouquet's document gives each operation at least the statuses that the official document gives it."""
    theirs, own = official()[ITS_PATHS[path]]["get"], in_production()["paths"][path]["get"]
    assert set(theirs["responses"]) <= set(own["responses"])


@pytest.mark.slow
async def test_a_client_generated_from_the_official_document_reads_every_answer(
    ours: SandboxClient, tmp_path: Path
) -> None:
    """Generates a Python client from the official document. The client must read the answer of every case with status
    200, without loss of data."""
    package = tmp_path / "official"
    await python_client.generate(DOCUMENT, package)
    calls, expected = [], []
    for operation_id, operation in OPERATIONS.items():
        if operation_id in ADDED_OPERATIONS:
            continue
        for case in found(OURS, operation_id):
            by_session = operation.by_session
            params = hand_written_call(case) if by_session else case.params
            calls.append(
                {
                    "module": "get" + operation.path.replace("/", "_"),
                    "token": citizen_of(OURS, case) if by_session else token(),
                    "by_key": False,
                    "params": {"recipient": RECIPIENT, **params},
                }
            )
            expected.append([200, json.loads(bytes(case.payload))])
    assert await python_client.call(package, ours.url, calls) == expected


@cache
def official() -> dict[str, Any]:
    paths: dict[str, Any] = yaml.load(DOCUMENT.read_bytes(), Loader=yaml.CSafeLoader)["paths"]
    return paths

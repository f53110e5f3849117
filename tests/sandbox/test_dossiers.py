"""Tests of dossiers at a sandbox: recorded cases and simulated errors are what the single call gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bouquet_casebook.cases import read_folder
from bouquet_casebook.errors import name_of
from bouquet_worker import paris_today
from tests.support.sandbox_gateway import OURS, RECIPIENT, SandboxClient, sandbox_at, token
from tests.support.scripted_providers import CIVIL_STATUS

QF = "api_particulier_v3_cnav_quotient_familial_with_civility"
STATUSES = {
    "35003": "not_found",
    "23003": "not_found",
    "35560": "rejected",
    "00100": "refused",
    "00103": "refused",
    "00015": "refused",
    "00429": "refused",
    "35000": "failed",
    "00501": "failed",
}
"""Status of a part by the code that its invented person names."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(OURS) as client:
        yield client


async def part_about(client: SandboxClient, person: dict[str, Any]) -> Any:
    body = {
        "recipient": RECIPIENT,
        "identite": person,
        "resources": {"qf": {"operation": "dss/quotient_familial", "version": 3}},
    }
    headers = {"Authorization": f"Bearer {token()}"}
    async with client.client.post("/bouquet/v1/dossiers", json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        return (await response.json())["data"]["qf"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("code", STATUSES)
async def test_a_simulated_error_is_that_of_the_single_call(client: SandboxClient, code: str) -> None:
    person = CIVIL_STATUS | {"nomNaissance": name_of(code)}
    single = await client.ask(QF, {"recipient": RECIPIENT, **person})
    part = await part_about(client, person)
    assert (part["status"], part["errors"]) == (STATUSES[code], single.body["errors"])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_recorded_case_is_that_of_the_single_call(client: SandboxClient) -> None:
    case = next(case for case in read_folder(OURS / QF, paris_today()).cases if case.status == 200)
    person = {name: value for name, value in case.params.items() if name not in ("annee", "mois")}
    single = await client.ask(QF, {"recipient": RECIPIENT, **person})
    part = await part_about(client, person)
    assert (part["status"], part["data"]) == ("found", single.body["data"])

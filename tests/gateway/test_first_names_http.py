"""Tests of first names of students, scholarship holders and pupils. An invalid one is refused without asking the
provider."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bouquet_cnous.simulator import simulator as cnous_simulator
from bouquet_cnous.worker import worker as cnous
from bouquet_men.simulator import simulator as men_simulator
from bouquet_men.worker import worker as men
from bouquet_mesr.simulator import simulator as mesr_simulator
from bouquet_mesr.worker import worker as mesr
from bouquet_proto.offer import Operation
from tests.support import mesh as meshes
from tests.support.gateway_client import RECIPIENT, Answer
from tests.support.mesh import Mesh

WORKERS = {"mesr": (mesr, mesr_simulator), "cnous": (cnous, cnous_simulator), "men": (men, men_simulator)}
OPERATIONS = [
    pytest.param(provider, operation, id=operation.id)
    for provider, (worker, _) in WORKERS.items()
    for operation in worker.offer().operations
    if operation.modality == "identite" and not operation.path.startswith("/api/v2/")
]
SOMEBODY: dict[str, Any] = {
    "recipient": RECIPIENT,
    "nomNaissance": "LE GOFF",
    "sexeEtatCivil": "F",
    "anneeDateNaissance": 2005,
    "moisDateNaissance": 6,
    "jourDateNaissance": 17,
}
SCHOOL = {"codeEtablissement": "0359417N", "anneeScolaire": "2025-2026"}


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mesh]:
    monkeypatch.setattr(meshes, "PROVIDERS", WORKERS)
    async with meshes.mesh(workers=tuple(WORKERS)) as opened:
        yield opened


async def asked(client: Mesh, operation: Operation, *first_names: str) -> Answer:
    school = SCHOOL if operation.path.split("/")[2] == "men" else {}
    params = SOMEBODY | school | {"prenoms[]": list(first_names)}
    return await client.get(operation.path, params, scopes=operation.scopes)


@pytest.mark.parametrize(("provider", "operation"), OPERATIONS)
async def test_an_invalid_first_name_is_refused_without_asking_the_provider(
    client: Mesh, provider: str, operation: Operation
) -> None:
    for first_names in (
        ["LILY-ROSE, CLARA"],
        ["Cl4ra"],
        ["Anne (Nanou)"],
        ["Юлия"],
        [""],
        [" "],
        ["", "Maïwenn"],  # only the first one is sent to this provider
        ["Maïwenn", " "],
    ):
        answer = await asked(client, operation, *first_names)
        assert (answer.status, answer.codes) == (422, ["00421"]), first_names
    assert client.received(provider) == []


@pytest.mark.parametrize(("provider", "operation"), OPERATIONS)
async def test_a_first_name_is_checked_after_it_is_tidied(client: Mesh, provider: str, operation: Operation) -> None:
    await asked(client, operation, " M’Hamed\N{NO-BREAK SPACE}Ali ")
    [question] = client.received(provider)
    told = [*json.loads(question.body or b"{}").values(), *dict(question.query).values()]
    assert "M'Hamed Ali" in told

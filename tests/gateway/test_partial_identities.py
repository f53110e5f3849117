"""Tests of family benefits without a person's sex and place of birth, which the caller may leave out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bouquet_dss.simulator import simulator as dss_simulator
from bouquet_dss.worker import worker as dss
from bouquet_proto.offer import Operation
from bouquet_proto.quotient_familial import OPERATIONS
from tests.support import mesh as meshes
from tests.support.gateway_client import Answer, token, unique_token
from tests.support.mesh import Mesh
from tests.support.people import CAF_ALLOCATAIRE, V2_NAMES

WORKERS = meshes.PROVIDERS | {"dss": (dss, dss_simulator)}
TYPED: list[Operation] = [
    operation for operation in (*OPERATIONS, *dss.offer().operations) if operation.modality == "identite"
]
SEX, COMMUNE = "sexeEtatCivil", "codeCogInseeCommuneNaissance"
UNSAID = {"genre", "codeLieuNaissance", "villeNaissance", "depNaissance"}


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mesh]:
    monkeypatch.setattr(meshes, "PROVIDERS", WORKERS)
    async with meshes.mesh(workers=tuple(WORKERS)) as opened:
        yield opened


def query(operation: Operation, *absent: str, **changes: Any) -> dict[str, Any]:
    told = {name: value for name, value in (CAF_ALLOCATAIRE | changes).items() if name not in absent}
    named = V2_NAMES if operation.path.startswith("/api/v2/") else {}
    return {named.get(name, name): value for name, value in told.items()}


async def get(client: Mesh, operation: Operation, params: dict[str, Any]) -> Answer:
    """Calls an operation with a token sent as API key, because version 2 takes any bearer token for a FranceConnect
    session."""
    return await client.get(operation.path, params, token="", headers={"X-Api-Key": token(*operation.scopes)})


def asked(client: Mesh) -> list[dict[str, str]]:
    return [dict(one.query) for provider in WORKERS for one in client.received(provider)]


@pytest.mark.parametrize("operation", TYPED, ids=lambda operation: operation.id)
async def test_unknown_parts_of_an_identity_are_not_sent_to_the_hub(client: Mesh, operation: Operation) -> None:
    for params in (query(operation, SEX, COMMUNE), query(operation, **{SEX: "", COMMUNE: " "})):
        answer = await get(client, operation, params)
        assert answer.status == 200, answer.json
    assert asked(client)
    for question in asked(client):
        assert not UNSAID & question.keys()
        assert question["codePaysNaissance"] == "99100"


@pytest.mark.parametrize("operation", TYPED, ids=lambda operation: operation.id)
async def test_an_invalid_sex_is_refused_without_asking_the_provider(client: Mesh, operation: Operation) -> None:
    answer = await get(client, operation, query(operation, **{SEX: "X"}))
    assert answer.status in (400, 422)
    assert asked(client) == []


@pytest.mark.parametrize("place", [{"nomCommuneNaissance": "BREST"}, {"codeCogInseeDepartementNaissance": "29"}])
async def test_a_partial_birth_place_is_sent_to_the_hub(client: Mesh, place: dict[str, str]) -> None:
    assert (await client.get(params=query(TYPED[0], COMMUNE, **place))).status == 200
    [question] = asked(client)
    assert {question.get("villeNaissance"), question.get("depNaissance")} - {None} == set(place.values())


async def test_questions_with_and_without_sex_are_cached_apart(client: Mesh) -> None:
    for absent in ((), (SEX,), (COMMUNE,), (SEX, COMMUNE), (SEX, COMMUNE)):
        assert (await client.get(params=query(TYPED[0], *absent), token=unique_token())).status == 200
    told = [tuple(sorted(UNSAID & question.keys())) for question in asked(client)]
    assert told == [("codeLieuNaissance", "genre"), ("codeLieuNaissance",), ("genre",), ()]

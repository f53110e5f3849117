"""Tests of identical calls of one caller at the same time: the second gets a 409 (docs/reference/contract.md §2.6)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from prometheus_client import REGISTRY

from bouquet_gateway.stores.cache_memory import MemoryCache
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, Answer, token, unique_token
from tests.support.mesh import Mesh, mesh, short_upstream_timeouts
from tests.support.people import CAF_ALLOCATAIRE, staged_query
from tests.support.waiting import TEST_TIMEOUT_S, until

CONFLICT = {
    "errors": [
        {
            "code": "00015",
            "title": "Conflit",
            "detail": "Une requête associé à votre jeton est déjà en cours de traitement pour ces paramètres. "
            "Veuillez attendre la fin du traitement avant d'effectuer une nouvelle requête.",
            "meta": {},
        }
    ]
}


@pytest.fixture
async def client() -> AsyncIterator[Mesh]:
    async with mesh() as opened:
        yield opened


@asynccontextmanager
async def under_way(client: Mesh) -> AsyncIterator[None]:
    """Keeps a call in flight: the provider answers only when the context ends."""
    client.upstreams.hold()
    call = asyncio.create_task(client.get(params=CAF_ALLOCATAIRE))
    await until(lambda: client.call_counts["cnaf"] == 1)
    yield
    client.upstreams.open.set()
    assert (await call).status == 200


async def test_an_identical_call_in_flight_is_a_conflict(client: Mesh) -> None:
    async with under_way(client):
        answer = await client.get(params=CAF_ALLOCATAIRE)
    assert (answer.status, answer.json) == (409, CONFLICT)


async def test_a_conflict_leaves_the_marker_of_the_call_in_flight(client: Mesh) -> None:
    async with under_way(client):
        answers = [await client.get(params=CAF_ALLOCATAIRE) for _ in range(3)]
    assert [answer.status for answer in answers] == [409, 409, 409]


async def test_calls_with_reordered_parameters_are_a_conflict(client: Mesh) -> None:
    backwards = "&".join(reversed(urlencode(CAF_ALLOCATAIRE, doseq=True).split("&")))
    async with under_way(client):
        assert (await client.get(query=backwards)).status == 409


async def test_calls_that_differ_by_a_slash_are_a_conflict(client: Mesh) -> None:
    async with under_way(client):
        assert (await client.get(f"{QUOTIENT_FAMILIAL_PATH}/", CAF_ALLOCATAIRE)).status == 409


async def test_a_failed_call_may_be_repeated_at_once() -> None:
    async with mesh(environ=short_upstream_timeouts("cnaf", "msa")) as client:
        answers = [await client.get(params=staged_query("CAF-SLOW MSA-SLOW")) for _ in range(2)]
    assert [answer.status for answer in answers] == [504, 504]


@pytest.mark.parametrize("changes", [{"jourDateNaissance": 28}, {"recipient": "35600000000001"}, {"mois": 4}])
async def test_calls_with_other_parameters_are_no_conflict(client: Mesh, changes: dict[str, Any]) -> None:
    async with under_way(client):
        other = await meanwhile(client.get(params={**CAF_ALLOCATAIRE, **changes}))
    assert (await other).status != 409


async def meanwhile(call: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
    """Starts `call` while another call is in flight. Returns its task once both calls are in flight, or once `call` has
    ended."""
    other = asyncio.create_task(call)
    await until(lambda: other.done() or REGISTRY.get_sample_value("bouquet_gateway_requests_in_flight") == 2)
    return other


async def test_identical_calls_of_two_callers_are_no_conflict(client: Mesh) -> None:
    async with under_way(client):
        other = await meanwhile(client.get(params=CAF_ALLOCATAIRE, token=unique_token()))
    assert (await other).status == 200


async def test_two_callers_of_one_question_ask_the_providers_once(client: Mesh) -> None:
    async with under_way(client):
        other = await meanwhile(client.get(params=CAF_ALLOCATAIRE, token=unique_token()))
    await other
    assert client.call_counts == {"cnaf": 1, "msa": 0}


async def test_two_tokens_with_one_id_are_one_caller(client: Mesh) -> None:
    someone = str(uuid.uuid4())
    client.token = token(id=someone)
    async with under_way(client):
        assert (await client.get(params=CAF_ALLOCATAIRE, token=token(id=someone, valid_s=7200))).status == 409


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key"])
async def test_an_invalid_bearer_beside_the_token_does_not_avoid_the_conflict(client: Mesh, header: str) -> None:
    params = {**CAF_ALLOCATAIRE, "token": token()}
    client.upstreams.hold()
    call = asyncio.create_task(client.get(params=params, token="", headers={header: "Bearer of nothing"}))
    await until(lambda: client.call_counts["cnaf"] == 1)
    again = await client.get(params=params, token="", headers={header: "Bearer of nothing else"})
    client.upstreams.open.set()
    assert (again.status, (await call).status) == (409, 200)


async def test_of_many_identical_concurrent_calls_one_passes(client: Mesh) -> None:
    answers = await asyncio.gather(*(client.get(params=CAF_ALLOCATAIRE) for _ in range(30)))
    statuses = sorted(answer.status for answer in answers)
    assert client.call_counts["cnaf"] == 1
    assert statuses.count(200) >= 1
    assert set(statuses) <= {200, 409}


REFUSED_LATER = {
    "recipient": (QUOTIENT_FAMILIAL_PATH, {"recipient": "1"}, 422),
    "version": (QUOTIENT_FAMILIAL_PATH.replace("v3", "v9"), {}, 404),
    "parameters": (QUOTIENT_FAMILIAL_PATH, {"sexeEtatCivil": "X"}, 422),
    "absence": (QUOTIENT_FAMILIAL_PATH, {"nomNaissance": "CAF-NO-FILE"}, 404),
    "failure": (QUOTIENT_FAMILIAL_PATH, {"nomNaissance": "CAF-INTERNAL"}, 502),
}


@pytest.mark.parametrize("refused", REFUSED_LATER)
async def test_a_refused_call_gets_the_same_error_when_repeated(client: Mesh, refused: str) -> None:
    path, changes, status = REFUSED_LATER[refused]
    answers = [await client.get(path, {**CAF_ALLOCATAIRE, **changes}) for _ in range(3)]
    assert [answer.status for answer in answers] == [status] * 3


async def test_an_unexpected_exception_leaves_no_marker(client: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(MemoryCache, "get", None)
        answer = await client.get(params=CAF_ALLOCATAIRE)
    assert (answer.status, answer.codes) == (500, ["00500"])
    assert (await client.get(params=CAF_ALLOCATAIRE)).status == 200


async def test_a_caller_that_disconnects_leaves_no_marker(client: Mesh) -> None:
    client.upstreams.hold()
    call = asyncio.create_task(client.get(params=CAF_ALLOCATAIRE))
    await until(lambda: client.call_counts["cnaf"] == 1)
    call.cancel()
    await asyncio.wait([call])
    client.upstreams.open.set()
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while (await client.get(params=CAF_ALLOCATAIRE)).status == 409:  # noqa: ASYNC110 - a marker has no event
            await asyncio.sleep(0.02)

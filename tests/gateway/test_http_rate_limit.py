"""Tests of the rate limit over HTTP: twenty calls a second per token (docs/reference/contract.md §4)."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from tests.support.clock import Clock
from tests.support.gateway_client import Answer, token, unique_token
from tests.support.mesh import Mesh, mesh
from tests.support.people import CAF_ALLOCATAIRE

NOW = 1_776_240_000.25


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
async def client(clock: Clock) -> AsyncIterator[Mesh]:
    async with mesh(calls_per_second=20, epoch_s=clock) as opened:
        yield opened


async def ask(client: Mesh, times: int, **kwargs: str) -> list[Answer]:
    return [await client.get(params=CAF_ALLOCATAIRE, **kwargs) for _ in range(times)]  # type: ignore[arg-type]


def pace_of(answer: Answer) -> tuple[str | None, ...]:
    names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After")
    return tuple(answer.headers.get(name) for name in names)


async def test_the_twenty_first_call_in_a_second_is_refused(client: Mesh) -> None:
    answers = await ask(client, 21)
    assert [answer.status for answer in answers] == [200] * 20 + [429]


async def test_every_answer_shows_the_calls_remaining(client: Mesh) -> None:
    answers = await ask(client, 3)
    assert [pace_of(answer) for answer in answers] == [
        ("20", "19", "1776240001", None),
        ("20", "18", "1776240001", None),
        ("20", "17", "1776240001", None),
    ]


async def test_a_rate_limit_refusal_has_retry_after(client: Mesh) -> None:
    *_, refused = await ask(client, 21)
    assert pace_of(refused) == ("20", "0", "1776240001", "1")
    assert refused.json == {
        "errors": [
            {
                "code": "00429",
                "title": "Trop de requêtes",
                "detail": "Vous avez effectué trop de requêtes",
                "meta": {"retry_in": 1},
            }
        ]
    }


async def test_the_rate_limit_starts_again_each_second(client: Mesh, clock: Clock) -> None:
    await ask(client, 21)
    clock.now = 1_776_240_001.0
    [answer] = await ask(client, 1)
    assert (answer.status, pace_of(answer)) == (200, ("20", "19", "1776240002", None))


async def test_each_token_has_a_rate_limit_of_its_own(client: Mesh) -> None:
    await ask(client, 21)
    [answer] = await ask(client, 1, token=unique_token())
    assert answer.status == 200


async def test_signatures_of_one_token_id_share_a_rate_limit(client: Mesh) -> None:
    someone = str(uuid.uuid4())
    answers = [*await ask(client, 10, token=token(id=someone))]
    answers += await ask(client, 11, token=token(id=someone, valid_s=7200))
    assert [answer.status for answer in answers] == [200] * 20 + [429]


async def test_all_paths_from_version_3_on_share_one_rate_limit(client: Mesh) -> None:
    for path in ("/v3/dss/quotient_familial/identite", "/v3/nowhere", "/v9/dss/quotient_familial/identite"):
        await client.get(path)
    [answer] = await ask(client, 1)
    assert answer.headers["RateLimit-Remaining"] == "16"


async def test_version_2_has_a_rate_limit_of_its_own(client: Mesh) -> None:
    await ask(client, 21)
    answers = [await client.get("/api/v2/nowhere") for _ in range(21)]
    assert [answer.status for answer in answers] == [404] * 20 + [429]


async def test_an_invalid_token_is_rate_limited_too(client: Mesh) -> None:
    answers = await ask(client, 21, token="forged")
    assert [answer.status for answer in answers] == [401] * 20 + [429]


async def test_a_call_without_a_token_shows_the_limit_and_is_not_counted(client: Mesh) -> None:
    answers = await ask(client, 25, token="")
    assert {answer.status for answer in answers} == {401}
    assert pace_of(answers[-1]) == ("20", "20", "1776240001", None)


@pytest.mark.parametrize("path", ["/api/introspect", "/v3/token/introspect"])
async def test_introspection_is_not_rate_limited(client: Mesh, path: str) -> None:
    answers = [await client.get(path) for _ in range(25)]
    assert {answer.status for answer in answers} == {200}


async def test_introspection_of_a_second_credential_is_not_rate_limited(client: Mesh) -> None:
    answers = [await client.get("/api/introspect", {"token": token()}, token="forged") for _ in range(25)]
    assert {answer.status for answer in answers} == {200}
    assert pace_of(answers[-1]) == (None, None, None, None)


async def test_a_call_above_the_rate_limit_asks_no_provider(client: Mesh) -> None:
    await ask(client, 20, token=unique_token())
    client.clear_received()
    await ask(client, 2)
    assert client.call_counts == {"cnaf": 0, "msa": 0}

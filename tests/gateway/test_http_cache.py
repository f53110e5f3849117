"""Tests of the cache of answers: some are kept for a day, others never (docs/reference/contract.md §1.4, §5.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime, time
from typing import Any

import pytest

from bouquet_gateway.paris import PARIS
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, Answer, unique_token
from tests.support.mesh import TODAY, Mesh, mesh
from tests.support.people import CAF_ALLOCATAIRE, MSA_ALLOCATAIRE, staged_query

FRESH = {"Cache-Control": "no-cache"}
DAY_S = 24 * 3600


@pytest.fixture
async def client() -> AsyncIterator[Mesh]:
    async with mesh() as opened:
        yield opened


def cached(answer: Answer) -> tuple[str | None, str | None]:
    return answer.headers.get("X-Response-Cached"), answer.headers.get("X-Cache-Expires-in")


async def test_a_first_answer_is_not_from_the_cache(client: Mesh) -> None:
    assert cached(await client.get(params=CAF_ALLOCATAIRE)) == ("false", "")


async def test_a_second_answer_is_cached_and_shows_its_remaining_time(client: Mesh) -> None:
    first = await client.get(params=CAF_ALLOCATAIRE)
    second = await client.get(params=CAF_ALLOCATAIRE)
    hit, left_s = cached(second)
    assert (second.body, hit) == (first.body, "true")
    assert DAY_S - 10 < int(left_s or 0) <= DAY_S
    assert client.call_counts == {"cnaf": 1, "msa": 0}


async def test_a_cached_answer_serves_every_caller(client: Mesh) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    assert cached(await client.get(params=CAF_ALLOCATAIRE, token=unique_token()))[0] == "true"


async def test_a_cached_answer_serves_every_recipient(client: Mesh) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    assert cached(await client.get(params=CAF_ALLOCATAIRE | {"recipient": "35600000000001"}))[0] == "true"


async def test_the_recipient_is_checked_before_the_cache(client: Mesh) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    assert (await client.get(params=CAF_ALLOCATAIRE | {"recipient": "1"})).codes == ["00210"]


async def test_scopes_close_fields_of_a_cached_answer(client: Mesh) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    few = await client.get(params=CAF_ALLOCATAIRE, scopes=["cnaf_enfants"])
    assert (cached(few)[0], list(few.json["data"])) == ("true", ["enfants"])


async def test_an_answer_to_few_scopes_is_cached_whole(client: Mesh) -> None:
    await client.get(params=CAF_ALLOCATAIRE, scopes=["cnaf_enfants"])
    whole = await client.get(params=CAF_ALLOCATAIRE)
    assert (cached(whole)[0], len(whole.json["data"])) == ("true", 4)


async def test_no_cache_asks_the_provider_again(client: Mesh) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    assert cached(await client.get(params=CAF_ALLOCATAIRE, headers=FRESH)) == ("false", "")
    assert client.call_counts["cnaf"] == 2


async def test_an_answer_to_no_cache_is_not_cached(client: Mesh) -> None:
    await client.get(params=CAF_ALLOCATAIRE, headers=FRESH)
    assert cached(await client.get(params=CAF_ALLOCATAIRE))[0] == "false"


@pytest.mark.parametrize("value", ["No-Cache", "no-cache, no-store", "max-age=0", ""])
async def test_other_cache_control_values_do_not_bypass_the_cache(client: Mesh, value: str) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    answer = await client.get(params=CAF_ALLOCATAIRE, headers={"Cache-Control": value})
    assert cached(answer)[0] == "true"


OTHER: dict[str, Mapping[str, Any]] = {
    "day": {"jourDateNaissance": 15},
    "first names": {"prenoms[]": ["MAELYS"]},
    "order of first names": {"prenoms[]": ["INES", "MAELYS"]},
    "place": {"codeCogInseeCommuneNaissance": "29232"},
    "married name": {"nomUsage": "KERVENNIC"},
    "month": {"mois": 3},
    "year": {"annee": 2025},
}


@pytest.mark.parametrize("other", OTHER)
async def test_another_question_is_not_answered_from_the_cache(client: Mesh, other: str) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    answer = await client.get(params={**CAF_ALLOCATAIRE, **OTHER[other]})
    assert answer.headers["X-Response-Cached"] == "false"
    assert client.call_counts["cnaf"] == 2


async def test_an_answer_without_a_month_is_not_reused_in_the_next_month(client: Mesh) -> None:
    """Tests that a call without a month, made in May, does not get the answer that was cached for the same call in
    April (docs/contract.md, D5)."""
    await client.get(params=CAF_ALLOCATAIRE)
    client.clock.now = noon_of(date(2026, 5, 1))
    assert cached(await client.get(params=CAF_ALLOCATAIRE))[0] == "false"
    client.clock.now = noon_of(TODAY)
    assert cached(await client.get(params=CAF_ALLOCATAIRE))[0] == "true"


async def test_answers_of_two_months_are_cached_apart(client: Mesh) -> None:
    """Tests that a call about another month does not get the answer that was cached for the first month
    (docs/contract.md, D4)."""
    for month in (3, 2):
        answer = await client.get(params=CAF_ALLOCATAIRE | {"mois": month})
        assert answer.json["data"]["quotient_familial"]["mois"] == month


async def test_two_spellings_of_one_query_share_a_cached_answer(client: Mesh) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    answer = await client.get(params=dict(reversed(CAF_ALLOCATAIRE.items())) | {"moisDateNaissance": "06", "x": "y"})
    assert cached(answer)[0] == "true"


async def test_a_cached_answer_asks_no_provider(client: Mesh) -> None:
    await client.get(params=MSA_ALLOCATAIRE)
    client.clear_received()
    await client.get(params=MSA_ALLOCATAIRE)
    assert client.call_counts == {"cnaf": 0, "msa": 0}


@pytest.mark.parametrize(
    ("path", "params", "headers"),
    [
        (QUOTIENT_FAMILIAL_PATH, {"sexeEtatCivil": "X"}, ("false", "")),
        (QUOTIENT_FAMILIAL_PATH, {"recipient": "1"}, ("false", "")),
        (QUOTIENT_FAMILIAL_PATH.replace("v3", "v9"), {}, ("false", "")),
        (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-NO-FILE"), ("false", "")),
        (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-INTERNAL"), ("false", "")),
        ("/v3/nowhere/identite", {}, (None, None)),
    ],
)
async def test_an_error_has_headers_of_an_uncached_answer(
    client: Mesh, path: str, params: dict[str, Any], headers: tuple[str | None, str | None]
) -> None:
    assert cached(await client.get(path, CAF_ALLOCATAIRE | params)) == headers


async def test_a_refused_caller_gets_no_cache_headers(client: Mesh) -> None:
    await client.get(params=CAF_ALLOCATAIRE)
    assert cached(await client.get(params=CAF_ALLOCATAIRE, token="")) == (None, None)
    assert cached(await client.get(params=CAF_ALLOCATAIRE, scopes=["cnous_email"])) == (None, None)


def noon_of(day: date) -> datetime:
    return datetime.combine(day, time(12), PARIS)

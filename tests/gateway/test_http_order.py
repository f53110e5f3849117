"""Tests of the order of checks: if a call has several faults, the error is about the fault that is checked first
(docs/reference/contract.md §2.7)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from msgspec import Struct

from bouquet_gateway.stores.cache_memory import MemoryCache
from bouquet_mesh.secret import Secret
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, SCOPES, TOKEN_KEY, token
from tests.support.mesh import mesh
from tests.support.people import CAF_ALLOCATAIRE, staged_query


class Wrong(Struct, frozen=True, kw_only=True):
    """Fault of a call. `answer` is the status and code of the error expected. If `busy` is true, an identical call is
    in flight. Every other field replaces a part of a valid call."""

    answer: str
    settings: Mapping[str, Any] = {}
    token: Mapping[str, Any] = {}
    scopes: tuple[str, ...] = ()
    path: str = ""
    params: Mapping[str, Any] = {}
    busy: bool = False


CHECKS = {
    "throttle": Wrong(answer="429 00429", settings={"calls_per_second": 0}),
    "route": Wrong(answer="404 00493", path="/v3/dss/quotient_conjugal/identite"),
    "token": Wrong(answer="401 00101", token={"key": Secret("the key of somebody else altogether")}),
    "expiry": Wrong(answer="401 00103", token={"valid_s": -60}),
    "scopes": Wrong(answer="403 00100", scopes=("cnous_email",)),
    "in flight": Wrong(answer="409 00015", busy=True),
    "version": Wrong(answer="404 00402", path=QUOTIENT_FAMILIAL_PATH.replace("v3", "v9")),
    "recipient": Wrong(answer="422 00210", params={"recipient": "1"}),
    "maintenance": Wrong(answer="503 35020", settings={"maintenance": "CNAF & MSA 11:30-12:30"}),
    "parameters": Wrong(answer="422 00427", params={"sexeEtatCivil": "X"}),
    "provider": Wrong(answer="404 35003", params={"nomNaissance": "CAF-NO-FILE MSA-NO-FILE"}),
}
PAIRS = [pair for pair in itertools.combinations(CHECKS, 2) if not (CHECKS[pair[0]].path and CHECKS[pair[1]].path)]
"""Pairs of faults that one call can have at the same time. A call has only one path, so two faults of the path make no
pair."""


async def answer_to(
    monkeypatch: pytest.MonkeyPatch, *wrongs: Wrong, params: Mapping[str, Any] = CAF_ALLOCATAIRE
) -> str:
    settings = merged(*(wrong.settings for wrong in wrongs))
    [scopes] = [wrong.scopes for wrong in wrongs if wrong.scopes] or [SCOPES]
    bearer = token(*scopes, **{"key": TOKEN_KEY} | merged(*(wrong.token for wrong in wrongs)))
    [path] = [wrong.path for wrong in wrongs if wrong.path] or [QUOTIENT_FAMILIAL_PATH]
    async with mesh(**settings) as client:
        if any(wrong.busy for wrong in wrongs):
            monkeypatch.setattr(MemoryCache, "add", taken)
        query = {**params, **merged(*(wrong.params for wrong in wrongs))}
        answer = await client.get(path, query, token=bearer)
    return f"{answer.status} {answer.codes[0]}" if answer.status != 200 else "200"


def merged(*mappings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for mapping in mappings for name, value in mapping.items()}


async def taken(cache: MemoryCache, key: str, ttl_s: float) -> bool:
    """Replaces `MemoryCache.add`: returns False, as if an identical call were in flight."""
    return False


@pytest.mark.parametrize("check", CHECKS)
async def test_each_check_answers_its_error_when_it_alone_fails(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await answer_to(monkeypatch, CHECKS[check]) == CHECKS[check].answer


@pytest.mark.parametrize(("earlier", "later"), PAIRS)
async def test_of_two_failing_checks_the_earlier_one_answers(
    earlier: str, later: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await answer_to(monkeypatch, CHECKS[later], CHECKS[earlier]) == CHECKS[earlier].answer


async def test_a_call_that_passes_every_check_gets_data(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await answer_to(monkeypatch) == "200"


async def test_a_call_that_fails_every_check_gets_the_first_error(monkeypatch: pytest.MonkeyPatch) -> None:
    wrongs = [wrong for name, wrong in CHECKS.items() if name != "version"]
    assert await answer_to(monkeypatch, *wrongs) == "429 00429"


async def test_a_cached_answer_is_given_during_maintenance() -> None:
    async with mesh(maintenance="CNAF & MSA 12:30-13:00") as client:
        await client.get(params=CAF_ALLOCATAIRE)
        client.clock.now += timedelta(minutes=45)
        assert (await client.get(params=CAF_ALLOCATAIRE)).status == 200
        assert (await client.get(params=staged_query("CAF-FOUND"))).status == 503


async def test_a_maintenance_error_says_when_the_maintenance_ends() -> None:
    async with mesh(maintenance="CNAF & MSA 11:30-12:30") as client:
        answer = await client.get(params=CAF_ALLOCATAIRE)
    assert answer.json == {
        "errors": [
            {
                "code": "35020",
                "title": "Maintenance du fournisseur de données",
                "detail": "Le fournisseur de données est en maintenance de 11:30 à 12:30",
                "meta": {"provider": "CNAF & MSA", "retry_in": 1800},
            }
        ]
    }
    assert answer.headers["Retry-After"] == "1800"

"""Tests of the number of calls per hour, as the registry's internal API reports it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from bouquet_registry.journal.rollups import roll_up
from bouquet_registry.store import Store
from tests.registry.accesses import NOON, access, write
from tests.registry.api_client import ApiClient, api_client
from tests.support.administrative_acts import recorded_acts
from tests.support.clock import DatetimeClock
from tests.support.editors import create_editor, delegate, issue_editor_token
from tests.support.habilitations import create_habilitation, habilitation_of, issue_token

PATH = "/statistics/hours"
START, HOUR_S = NOON.timestamp(), 3600
PERIOD = {"since": "2026-04-15T12:00:00Z", "until": "2026-04-15T18:00:00Z"}


@pytest.fixture
async def api(store: Store, clock: DatetimeClock) -> AsyncIterator[ApiClient]:
    async with api_client(store, clock) as client:
        yield client


async def counted(api: ApiClient, **query: str) -> list[tuple[str, int]]:
    answer = await api.get(PATH, **PERIOD | query)
    assert answer.status == 200, answer.json
    return [(row["hour"][11:13], row["calls"]) for row in answer.json["data"]]


async def called(store: Store, *calls: dict[str, Any]) -> None:
    await write(store, [access(number, **call) for number, call in enumerate(calls, start=1)])
    await roll_up(store)


async def test_calls_are_counted_by_the_hour_for_a_habilitation_a_token_an_editor_and_an_operation(
    api: ApiClient, store: Store
) -> None:
    token, other = await issue_token(store), await issue_token(store)
    editor = await create_editor(store)
    await delegate(store, editor, await habilitation_of(store, token))
    of_editor = await issue_editor_token(store, editor)
    own = {"habilitation": token.habilitation, "token": token.id}
    await called(
        store,
        own | {"at": START, "duration_ms": 10.0},
        own | {"at": START + 60, "duration_ms": 20.0},
        own | {"at": START + HOUR_S - 0.25, "operation": "other"},
        own | {"at": START + 2 * HOUR_S},
        own | {"at": START + 2 * HOUR_S, "token": of_editor.id},
        {"habilitation": other.habilitation, "token": other.id, "at": START},
    )
    assert await counted(api, token=token.id) == [("12", 2), ("12", 1), ("14", 1)]
    assert await counted(api, habilitation=token.habilitation) == [("12", 2), ("12", 1), ("14", 2)]
    assert await counted(api, editor=editor.id) == await counted(api, token=of_editor.id) == [("14", 1)]
    assert await counted(api, token=token.id, operation="other") == [("12", 1)]
    assert await counted(api, token=token.id, habilitation=other.habilitation) == []
    (first, *_) = (await api.get(PATH, **PERIOD, token=token.id)).json["data"]
    assert (first["mean_duration_ms"], first["outcome"]) == (15.0, "found")
    assert {act.act for act in await recorded_acts(store, editor.id)} == {"editor create", "journal stats"}


async def test_a_page_covers_as_many_hours_as_its_limit(api: ApiClient, store: Store) -> None:
    token = await issue_token(store)
    await called(store, *({"habilitation": token.habilitation, "at": START + n * HOUR_S} for n in (0, 1, 5)))
    cursor, pages = "", []
    while cursor is not None:
        page = (await api.get(PATH, **PERIOD, habilitation=token.habilitation, limit="2", cursor=cursor)).json
        pages.append([row["hour"][11:13] for row in page["data"]])
        cursor = page["next"]
    assert pages == [["12", "13"], [], ["17"]]


async def test_a_period_in_another_time_zone_counts_the_whole_utc_hours_that_it_touches(
    api: ApiClient, store: Store
) -> None:
    own = await create_habilitation(store)
    await called(store, *({"habilitation": own.id, "at": START + n * HOUR_S} for n in (-1, 0, 1, 2)))
    india = {"since": "2026-04-15T17:45:00+05:30", "until": "2026-04-15T19:15:00+05:30"}
    assert await counted(api, habilitation=own.id, **india) == [("12", 1), ("13", 1)]


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        ("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", 25),
        ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", 23),
    ],
)
async def test_a_day_of_a_clock_change_has_each_of_its_hours_once(
    api: ApiClient, store: Store, since: str, until: str, hours: int
) -> None:
    own = await create_habilitation(store)
    begin = datetime.fromisoformat(since).timestamp()
    await called(store, *({"habilitation": own.id, "at": begin + (n + 0.5) * HOUR_S} for n in range(-2, hours + 2)))
    query = {"since": since, "until": until, "habilitation": own.id}
    cursor, rows = "", []
    while cursor is not None:
        page = (await api.get(PATH, **query, limit="2", cursor=cursor)).json
        rows += page["data"]
        cursor = page["next"]
    assert [datetime.fromisoformat(row["hour"]).timestamp() for row in rows] == [
        begin + n * HOUR_S for n in range(hours)
    ]
    assert {row["calls"] for row in rows} == {1}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "habilitation"),
        ({"token": "t", "until": "2026-04-15T11:00:00Z"}, "until"),
        ({"token": "t", "until": "2028-04-15T12:00:00Z"}, "until"),
        ({"token": "t", "cursor": "x"}, "cursor"),
        ({"token": "t", "limit": "201"}, "limit"),
    ],
)
async def test_an_unbounded_or_malformed_count_is_refused(api: ApiClient, query: dict[str, str], field: str) -> None:
    answer = await api.get(PATH, **PERIOD | query)
    assert (answer.status, answer.errors) == (422, {("invalid", field)})


async def test_a_reopened_habilitation_brings_its_delegations_back_with_an_act(api: ApiClient, store: Store) -> None:
    own, editor = await create_habilitation(store), await create_editor(store)
    (delegation,) = await delegate(store, editor, own)
    await api.act("POST", f"/habilitations/{own.id}/close", version=1)
    await api.act("POST", f"/habilitations/{own.id}/reopen", version=2)
    acts = {act.act for act in await recorded_acts(store, delegation.id)}
    assert acts == {"delegation create", "delegation suspend", "delegation resume"}

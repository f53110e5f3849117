"""Tests of the journal's roll-ups, which hold the number of calls per hour, and the numbers of people and supporting
documents per day."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

import pytest
from sqlalchemy import select

from bouquet_proto.access_record import Access
from bouquet_registry.journal import rollups, schema
from bouquet_registry.journal.audit import prune, verify
from bouquet_registry.store import Store
from tests.registry.accesses import NOON, access, tamper, write

RECORDS = 100_000
HOUR_S = 3600
DAY_S = 24 * HOUR_S
START = NOON.timestamp()
Counts: TypeAlias = dict[tuple[Any, ...], int]


async def by_hour(store: Store) -> Counts:
    async with store.reading() as connection:
        rows = await connection.execute(select(schema.hours))
    return {tuple(row[:6]): row.calls for row in rows}


async def by_day(store: Store) -> dict[tuple[Any, ...], tuple[int, int]]:
    async with store.reading() as connection:
        rows = await connection.execute(select(schema.days))
    return {tuple(row[:3]): (row.persons, row.justificatifs_evites) for row in rows}


async def total_duration_ms(store: Store) -> float:
    async with store.reading() as connection:
        durations: list[float] = list(await connection.scalars(select(schema.hours.c.duration_ms)))
    return sum(durations)


def calls_by_hand(accesses: Iterable[Access]) -> Counts:
    return Counter(
        (one.habilitation, int(one.at // HOUR_S), one.token, one.operation, one.outcome, one.code) for one in accesses
    )


def people_by_hand(accesses: Iterable[Access]) -> dict[tuple[Any, ...], tuple[int, int]]:
    persons: dict[tuple[Any, ...], set[str]] = {}
    documents: dict[tuple[Any, ...], set[tuple[str, str]]] = {}
    for one in accesses:
        if one.outcome == "found" and one.operation:
            key = (one.habilitation, int(one.at // DAY_S), one.operation)
            persons.setdefault(key, set()).update({one.person} - {""})
            documents.setdefault(key, set()).add((one.recipient, one.person or one.id))
    return {key: (len(persons[key]), len(documents[key])) for key in persons}


def random_calls(number: int) -> list[Access]:
    """Returns random calls of three days, not sorted by time. About half are made a quarter of a second before a full
    hour, to test the limit between two hours."""
    chance = random.Random(number)
    return [
        access(
            n,
            at=START + chance.choice((chance.uniform(0, 3 * DAY_S), chance.randrange(72) * HOUR_S - 0.25)),
            habilitation=f"h-{chance.randrange(20)}",
            token=f"t-{chance.randrange(3)}",
            recipient=f"{chance.randrange(3):014}",
            operation=chance.choice(("dss.quotient_familial.v4", "mesr.statut_etudiant.v3", "")),
            **chance.choice(({}, {"outcome": "failed", "status": 502, "code": "35003"})),
            duration_ms=chance.uniform(1, 500),
            person=chance.choice(("", f"{chance.randrange(200):064x}")),
        )
        for n in range(number)
    ]


async def write_all(store: Store, accesses: list[Access]) -> None:
    for begin in range(0, len(accesses), 5000):
        await write(store, accesses[begin : begin + 5000])


async def test_roll_ups_of_100_000_records_equal_a_count_by_hand(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "STEP_PAUSE_S", 0)
    monkeypatch.setattr(rollups, "RECORDS_PER_STEP", 10_000)
    calls = random_calls(RECORDS)
    await write_all(store, calls)
    assert await rollups.roll_up(store) == RECORDS
    assert await rollups.roll_up(store) == 0
    assert await by_hour(store) == calls_by_hand(calls)
    assert await by_day(store) == people_by_hand(calls)
    assert await total_duration_ms(store) == pytest.approx(sum(one.duration_ms for one in calls))


async def test_roll_ups_outlive_pruned_records_and_a_rebuild(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "RECORDS_PER_STEP", 300)
    calls = sorted(random_calls(3000), key=lambda one: one.at)
    await write_all(store, calls[:2500])
    await rollups.roll_up(store)
    await write_all(store, calls[2500:])
    removed = await prune(store, calls[1000].at)
    assert removed == len([one for one in calls if one.at < calls[1000].at])
    await tamper(store, f"UPDATE journal_hours SET calls = 0 WHERE hour > {calls[1000].at // HOUR_S}")
    assert await rollups.rebuild(store) == len(calls) - removed + 1  # and the record of the pruning
    assert await by_hour(store) == calls_by_hand(calls)
    assert await by_day(store) == people_by_hand(calls)
    assert await total_duration_ms(store) == pytest.approx(sum(one.duration_ms for one in calls))
    [pruning] = (await verify(store)).prunings
    assert pruning.access.pruned_to.startswith(f"{removed}:")


async def test_a_pruning_counts_records_that_were_not_counted(store: Store) -> None:
    calls = [access(n, at=START + n) for n in range(1, 11)]
    await write(store, calls)
    await prune(store, START + 100)
    assert await by_hour(store) == calls_by_hand(calls)
    assert sum(documents for _, documents in (await by_day(store)).values()) == 1


async def test_a_pruning_in_a_rebuild_loses_no_calls(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "RECORDS_PER_STEP", 2)
    calls = [access(n, at=START + n) for n in range(1, 11)]
    await write(store, calls)
    await rollups.roll_up(store)
    with monkeypatch.context() as patch:  # a rebuild that ends before it counts
        patch.setattr(rollups, "roll_up", rollups.uncounted)
        await rollups.rebuild(store)
    async with store.writing() as connection:
        await rollups.count_before_pruning(connection, 5)
    await rollups.roll_up(store)
    assert await by_hour(store) == calls_by_hand(calls)


async def test_a_record_counts_once_after_a_step_that_failed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [access(n, person="") for n in range(1, 6)]
    await write(store, calls)

    async def fail(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(rollups, "_note", fail)
        with pytest.raises(OSError):
            await rollups.roll_up(store)
    await rollups.roll_up(store)
    await write(store, [calls[0], access(6, person="")])
    await rollups.roll_up(store)
    assert sum((await by_hour(store)).values()) == 6
    assert list((await by_day(store)).values()) == [(0, 6)]


async def test_two_processes_that_roll_up_count_each_record_once(store: Store) -> None:
    await write(store, [access(n, person="") for n in range(1, 1001)])
    await asyncio.gather(*(rollups.roll_up(store) for _ in range(4)))
    assert sum((await by_hour(store)).values()) == 1000


async def test_a_pruning_is_no_call(store: Store) -> None:
    await write(store, [access(1)])
    await prune(store, START + 1)
    await rollups.roll_up(store)
    assert [key[4] for key in await by_hour(store)] == ["found"]


async def test_roll_ups_and_rebuilds_at_once_count_each_record_once_while_records_arrive(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "RECORDS_PER_STEP", 50)
    monkeypatch.setattr(rollups, "STEP_PAUSE_S", 0.001)
    calls = random_calls(1200)

    async def arriving() -> None:
        for first in range(0, len(calls), 60):
            await write(store, calls[first : first + 60])
            await asyncio.sleep(0)

    async def repeated(count: Callable[[Store], Awaitable[int]], times: int) -> None:
        for _ in range(times):
            await count(store)

    await asyncio.gather(
        arriving(),
        repeated(rollups.roll_up, 8),
        repeated(rollups.rebuild, 3),
        repeated(rollups.rebuild, 3),
    )
    await rollups.roll_up(store)
    assert await by_hour(store) == calls_by_hand(calls)
    assert await by_day(store) == people_by_hand(calls)


async def test_a_rebuild_that_is_interrupted_is_finished_by_the_next_roll_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = random_calls(400)
    await write(store, calls)
    await rollups.roll_up(store)

    async def interrupted(_: Store) -> int:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched, pytest.raises(asyncio.CancelledError):
        patched.setattr(rollups, "roll_up", interrupted)
        await rollups.rebuild(store)
    assert await by_hour(store) == {}
    await rollups.roll_up(store)
    assert await by_hour(store) == calls_by_hand(calls)
    assert await by_day(store) == people_by_hand(calls)

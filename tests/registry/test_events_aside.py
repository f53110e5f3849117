"""Tests that the internal API lists and shows the DataPass events that were set aside, and replays or discards each of
them only once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bouquet_registry import queries
from bouquet_registry.datapass import inbox
from bouquet_registry.datapass.inbox import ReceivedEvent
from bouquet_registry.refusals import UnknownRecord
from bouquet_registry.store import Store
from tests.registry.api_client import ApiClient, api_client
from tests.registry.datapass_events import v1
from tests.support.administrative_acts import recorded_acts
from tests.support.clock import DatetimeClock
from tests.support.habilitations import ADMINISTRATOR

PATH = "/datapass-events/aside"


@pytest.fixture
async def api(store: Store, clock: DatetimeClock) -> AsyncIterator[ApiClient]:
    async with api_client(store, clock) as client:
        yield client


async def set_aside(store: Store, clock: DatetimeClock, *bodies: bytes) -> list[ReceivedEvent]:
    made = [ReceivedEvent("v1", body, clock()) for body in bodies]
    for received in made:
        await inbox.set_aside(store, received, "is dated ahead of the clock")
    return made


def approval(clock: DatetimeClock, **own: object) -> bytes:
    return v1("approve", clock().timestamp(), **own)


async def test_an_event_is_listed_shown_and_replayed_with_acts(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    (good,) = await set_aside(store, clock, approval(clock))
    (row,) = (await api.get(PATH)).json["data"]
    assert (row["digest"], row["reason"]) == (good.digest, "is dated ahead of the clock")
    assert "body" not in row
    assert (await api.act("POST", f"{PATH}/{good.digest[:8]}/body")).json["body"] == good.body.decode()
    replayed = await api.act("POST", f"{PATH}/{good.digest}/replay")
    assert (replayed.status, replayed.json["outcome"], list(replayed.json["answer"])) == (200, "obeyed", ["token_id"])
    assert (await api.get(PATH)).json == {"data": [], "next": None}
    assert (await api.act("POST", f"{PATH}/{good.digest}/replay")).status == 404
    assert "datapass-event show" in {act.act for act in await recorded_acts(store, good.digest)}


async def test_an_event_that_still_cannot_be_applied_stays_aside_until_it_is_discarded(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    junk, wrong = await set_aside(store, clock, b"\x00\xff junk", approval(clock, siret="1"))
    for event in (junk, wrong):
        assert (await api.act("POST", f"{PATH}/{event.digest}/replay")).status in (409, 422)
        assert (await api.act("POST", f"{PATH}/{event.digest}/body")).status == 200
    assert len((await api.get(PATH)).json["data"]) == 2
    for event in (junk, wrong):
        assert (await api.act("POST", f"{PATH}/{event.digest}/discard")).json["digest"] == event.digest
        assert (await api.act("POST", f"{PATH}/{event.digest}/discard")).errors == {("unknown_record", "")}


async def test_a_late_event_stays_aside_unless_it_is_wanted_all_the_same(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    newer = ReceivedEvent("v1", v1("submit", clock().timestamp()), clock())
    (late,) = await set_aside(store, clock, v1("approve", clock().timestamp() - 3600))
    await inbox.set_aside(store, newer, "")
    assert (await api.act("POST", f"{PATH}/{newer.digest}/replay")).json["outcome"] == "obeyed"
    assert (await api.act("POST", f"{PATH}/{late.digest}/replay")).json["outcome"] == "late"
    assert (await api.act("POST", f"{PATH}/{late.digest}/replay", late=True)).json["outcome"] == "obeyed"


async def test_of_many_replays_at_once_one_applies_the_event(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    (event,) = await set_aside(store, clock, approval(clock))
    answers = await asyncio.gather(*(api.act("POST", f"{PATH}/{event.digest}/replay") for _ in range(5)))
    outcomes = [answer.json.get("outcome", answer.status) for answer in answers]
    assert outcomes.count("obeyed") == 1
    assert set(outcomes) <= {"obeyed", "known", 404}
    async with store.reading() as connection:
        (own,) = await queries.habilitations(connection)
        assert len(await queries.tokens(connection, habilitation=own.id)) == 1


async def test_a_discarded_event_is_not_applied_by_a_replay_that_read_it_before(
    store: Store, clock: DatetimeClock
) -> None:
    (received,) = await set_aside(store, clock, approval(clock))
    async with store.reading() as connection:
        found = await inbox.event_aside(connection, received.digest)
    await inbox.discard(store, received.digest, clock, ADMINISTRATOR)
    with pytest.raises(UnknownRecord):
        await inbox.replay(store, found, clock, ADMINISTRATOR)
    async with store.reading() as connection:
        assert await queries.habilitations(connection) == []


async def test_an_event_that_was_both_applied_and_set_aside_leaves_the_list_by_a_replay(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    (event,) = await set_aside(store, clock, approval(clock))
    await api.act("POST", f"{PATH}/{event.digest}/replay")
    await set_aside(store, clock, event.body)
    assert (await api.act("POST", f"{PATH}/{event.digest}/replay")).json["outcome"] == "known"
    assert (await api.get(PATH)).json["data"] == []


async def test_of_two_discards_at_once_one_is_an_act(api: ApiClient, store: Store, clock: DatetimeClock) -> None:
    (event,) = await set_aside(store, clock, b"junk")
    answers = await asyncio.gather(*(api.act("POST", f"{PATH}/{event.digest}/discard") for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 404, 404, 404, 404]
    assert [act.act for act in await recorded_acts(store, event.digest)] == ["datapass-event discard"]

"""Tests of transactions that change habilitations and tokens."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bouquet_proto.registry_messages import GroupLimit
from bouquet_registry import queries, transactions
from bouquet_registry.habilitations import Contact, Token, expiry_after
from bouquet_registry.refusals import Conflict, InvalidFields, RefusalError, UnknownRecord
from bouquet_registry.store import Store
from tests.support.clock import DatetimeClock
from tests.support.habilitations import (
    ADMINISTRATOR,
    SIRET,
    change_habilitation,
    create_habilitation,
    habilitation_of,
    issue_token,
    read_token,
    revoke_token,
)


async def test_a_habilitation_is_read_back_as_created(store: Store, clock: DatetimeClock) -> None:
    made = await create_habilitation(
        store,
        clock,
        calls_per_minute=60,
        allowed_ips=("10.0.0.0/8", "2001:db8::1"),
        calls_per_second=50,
        group_limits=(GroupLimit("/v3/dss/", 60),),
        ine=True,
        datapass_id="1234",
    )
    async with store.reading() as connection:
        assert await queries.habilitation(connection, made.id) == made
        assert await queries.habilitations(connection) == [made]
        assert await queries.habilitation_of_datapass(connection, "1234") == made
        assert await queries.habilitation_of_datapass(connection, "5678") is None


WRONG: dict[str, dict[str, Any]] = {
    "siret": {"siret": "13002526500014"},
    "limit": {"calls_per_second": -1},
    "group of a limit": {"group_limits": (GroupLimit("dss", 60),)},
    "group with two limits": {"group_limits": (GroupLimit("/v3/dss/", 60), GroupLimit("/v3/dss/", 10))},
    "address": {"allowed_ips": ("10.0.0.0/99",)},
    "scope": {"scopes": ("Un Scope",)},
    "contact": {"contacts": (Contact("demandeur", "anne"),)},
    "rate": {"calls_per_minute": -1},
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_invalid_habilitation_is_refused(store: Store, wrong: str) -> None:
    with pytest.raises(InvalidFields):
        await create_habilitation(store, **WRONG[wrong])
    async with store.reading() as connection:
        assert await queries.habilitations(connection) == []


async def test_a_datapass_id_belongs_to_one_habilitation(store: Store) -> None:
    await create_habilitation(store, datapass_id="1")
    with pytest.raises(Conflict):
        await create_habilitation(store, datapass_id="1")
    other = await issue_token(store)
    with pytest.raises(Conflict):
        await change_habilitation(store, other, datapass_id="1")


async def test_a_token_lives_for_18_months(store: Store, clock: DatetimeClock) -> None:
    made = await issue_token(store, clock)
    assert made.expires_at == datetime(2027, 10, 15, 12, tzinfo=UTC)
    assert await read_token(store, made.id) == made


@pytest.mark.parametrize(
    ("day", "end"),
    [
        (datetime(2026, 8, 31, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)),
        (datetime(2025, 8, 31, tzinfo=UTC), datetime(2027, 2, 28, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, tzinfo=UTC), datetime(2028, 6, 30, tzinfo=UTC)),
    ],
)
def test_months_later_follows_the_calendar(day: datetime, end: datetime) -> None:
    assert expiry_after(day) == end


async def test_a_prolonged_token_lives_18_months_from_then(store: Store, clock: DatetimeClock) -> None:
    made = await issue_token(store, clock)
    clock.advance(days=365)
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        prolonged = await transaction.prolong(made)
    assert prolonged.expires_at == datetime(2028, 10, 15, 12, tzinfo=UTC)
    assert await read_token(store, made.id) == prolonged


async def test_of_two_concurrent_prolongations_one_is_a_conflict(store: Store, clock: DatetimeClock) -> None:
    made = await issue_token(store, clock)
    clock.advance(days=1)

    async def prolong() -> Token | Conflict:
        try:
            async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
                return await transaction.prolong(made)
        except Conflict as conflict:
            return conflict

    told = await asyncio.gather(*(prolong() for _ in range(5)))
    winners = [one for one in told if isinstance(one, Token)]
    assert [await read_token(store, made.id)] == winners
    assert sum(isinstance(one, Conflict) for one in told) == 4


async def test_a_change_of_a_stale_version_is_a_conflict(store: Store) -> None:
    made = await issue_token(store)
    own = await habilitation_of(store, made)
    await change_habilitation(store, made, purpose="Cantine et crèche")
    with pytest.raises(Conflict):
        async with transactions.begin(store, ADMINISTRATOR) as transaction:
            await transaction.change(own, purpose="Transport")
    assert (await habilitation_of(store, made)).purpose == "Cantine et crèche"


async def test_a_failing_transaction_changes_nothing(store: Store) -> None:
    made = await issue_token(store)
    with pytest.raises(UnknownRecord):
        async with transactions.begin(store, ADMINISTRATOR) as transaction:
            await transaction.revoke(made, "leaked")
            await queries.habilitation(transaction.connection, "nobody")
    assert await read_token(store, made.id) == made


async def test_no_token_is_issued_for_an_archived_habilitation(store: Store) -> None:
    own = await create_habilitation(store, state="archived")
    with pytest.raises(RefusalError, match="archived"):
        async with transactions.begin(store, ADMINISTRATOR) as transaction:
            await transaction.issue(own)


async def test_an_archived_habilitation_is_listed_only_when_asked_for(store: Store) -> None:
    own = await create_habilitation(store, state="archived")
    async with store.reading() as connection:
        assert await queries.habilitations(connection) == []
        assert await queries.habilitations(connection, archived=True) == [own]


async def test_tokens_that_will_expire_are_those_still_in_force(store: Store, clock: DatetimeClock) -> None:
    soon = await issue_token(store, clock)
    banned, planned = await issue_token(store, clock), await issue_token(store, clock)
    await revoke_token(store, banned, clock)
    await revoke_token(store, planned, clock, at=clock() + timedelta(days=900))
    archived = await issue_token(store, clock)
    await change_habilitation(store, archived, clock, state="archived")
    clock.now = soon.expires_at - timedelta(days=30)
    await issue_token(store, clock)
    async with store.reading() as connection:
        found = await queries.tokens(connection, expiring=queries.within(clock(), 30))
        none = await queries.tokens(connection, expiring=queries.within(clock(), 29))
        late = await queries.tokens(connection, expiring=queries.within(clock() + timedelta(days=31), 30))
    assert {one.id for one in found} == {soon.id, planned.id}
    assert none == late == []


async def test_a_stored_time_is_read_back_in_utc(store: Store) -> None:
    paris = datetime.fromisoformat("2026-07-01T12:00:00+02:00")
    made = await revoke_token(store, await issue_token(store), at=paris)
    found = (await read_token(store, made.id)).blacklisted_at
    assert found == paris
    assert found.tzinfo is UTC


async def test_a_blacklisted_token_is_not_made_valid_again_by_a_later_revocation(
    store: Store, clock: DatetimeClock
) -> None:
    token = await revoke_token(store, await issue_token(store, clock), clock, at=clock() + timedelta(days=1))
    moved = await revoke_token(store, token, clock, at=clock() + timedelta(days=2))
    clock.advance(days=2)
    for later in (None, clock() + timedelta(days=1)):
        clock.advance(seconds=1)
        with pytest.raises(RefusalError, match="blacklisted already"):
            await revoke_token(store, moved, clock, at=later)
    assert (await read_token(store, token.id)).blacklisted_at == moved.blacklisted_at


async def test_a_token_is_read_with_its_holder(store: Store) -> None:
    made = await issue_token(store)
    assert (made.siret, made.name) == (SIRET, "MAIRIE")

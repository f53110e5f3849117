"""Tests that the registry reports every change of a token to the gateways that poll it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bouquet_proto.registry_messages import TokenChanges
from bouquet_registry import changes, queries, transactions
from bouquet_registry.changes import MAX_TOKENS
from bouquet_registry.store import Store
from tests.support.clock import DatetimeClock
from tests.support.habilitations import ADMINISTRATOR, SCOPES, SIRET, change_habilitation, issue_token, revoke_token


async def news(store: Store, since: TokenChanges | None = None) -> TokenChanges:
    async with store.reading() as connection:
        return await changes.changes_since(connection, since.log if since else "", since.cursor if since else 0)


async def held(store: Store, token: str) -> Any:
    async with store.reading() as connection:
        return (await changes.find_token(connection, token))[0]


async def test_a_token_allows_what_its_habilitation_does(store: Store, clock: DatetimeClock) -> None:
    token = await issue_token(store, clock, calls_per_minute=7, allowed_ips=("10.0.0.0/8",))
    found = await held(store, token.id)
    assert (found.siret, found.scopes, found.calls_per_minute) == (SIRET, frozenset(SCOPES), 7)
    assert (found.allowed_ips, found.blacklisted_at) == (("10.0.0.0/8",), None)
    assert found.expires_at == token.expires_at.timestamp()


async def test_an_unknown_token_has_no_holder(store: Store) -> None:
    assert await held(store, "nobody") is None


async def test_a_blacklisted_token_has_the_time_of_its_blacklisting(store: Store, clock: DatetimeClock) -> None:
    token = await revoke_token(store, await issue_token(store, clock), clock)
    assert (await held(store, token.id)).blacklisted_at == clock().timestamp()


async def test_an_archived_habilitation_has_blacklisted_tokens_until_it_is_back(store: Store) -> None:
    token = await issue_token(store)
    await change_habilitation(store, token, state="archived")
    assert (await held(store, token.id)).blacklisted_at == 0
    await change_habilitation(store, token, state="active")
    assert (await held(store, token.id)).blacklisted_at is None


async def test_a_first_poll_for_changes_invalidates_every_token(store: Store) -> None:
    assert (await news(store)).tokens is None


async def test_a_poll_with_the_cursor_of_another_log_invalidates_every_token(store: Store) -> None:
    begin = await news(store)
    assert (await news(store, TokenChanges(log="another", cursor=begin.cursor))).tokens is None
    assert (await news(store, TokenChanges(log=begin.log, cursor=begin.cursor + 1))).tokens is None


async def test_every_kind_of_token_change_is_reported_once(store: Store) -> None:
    token, other = await issue_token(store), await issue_token(store)
    place = await news(store)
    assert place.tokens is None
    for step in (
        change_habilitation(store, token, scopes=()),
        change_habilitation(store, token, calls_per_minute=3),
        revoke_token(store, token),
    ):
        await step
        place = await news(store, place)
        assert place.tokens == (token.id,)
    assert (await news(store, place)).tokens == ()
    async with transactions.begin(store, ADMINISTRATOR) as transaction:
        await transaction.prolong(other)
    assert (await news(store, place)).tokens == (other.id,)


async def test_a_newly_issued_token_is_reported_as_a_change(store: Store) -> None:
    place = await news(store)
    token = await issue_token(store)
    assert (await news(store, place)).tokens == (token.id,)


async def test_a_change_of_a_habilitation_is_reported_for_all_its_tokens(store: Store) -> None:
    first = await issue_token(store)
    async with transactions.begin(store, ADMINISTRATOR) as transaction:
        second = await transaction.issue(await queries.habilitation(transaction.connection, first.habilitation))
    place = await news(store)
    await change_habilitation(store, first, scopes=())
    assert set((await news(store, place)).tokens or ()) == {first.id, second.id}


async def test_an_answer_never_claims_to_include_a_later_change(store: Store) -> None:
    token = await issue_token(store)
    before = (await held(store, token.id)).as_of
    place = await news(store)
    assert before == place.cursor
    await change_habilitation(store, token, scopes=())
    assert (await held(store, token.id)).as_of > before


async def test_too_many_changes_invalidate_every_token(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_TOKENS == 1000
    monkeypatch.setattr(changes, "MAX_TOKENS", 2)
    place = await news(store)
    for _ in range(2):
        await issue_token(store)
    assert len((await news(store, place)).tokens or ()) == 2
    await issue_token(store)
    assert (await news(store, place)).tokens is None


async def test_a_poller_misses_no_change_under_concurrent_transactions(store: Store) -> None:
    tokens = [await issue_token(store) for _ in range(12)]
    place = await news(store)
    told: set[str] = set()
    changing = asyncio.gather(*(revoke_token(store, token) for token in tokens))
    while not changing.done():
        place = await news(store, place)
        told |= set(place.tokens or ())
        await asyncio.sleep(0)
    await changing
    assert told | set((await news(store, place)).tokens or ()) == {token.id for token in tokens}

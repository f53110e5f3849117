"""Tests that the registry reports every change of a token to the gateways that poll it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bouquet_proto.registry_messages import GroupLimit, TokenChanges
from bouquet_registry import changes, queries, transactions
from bouquet_registry.changes import MAX_CHANGED_IDS
from bouquet_registry.editors import changes as editor_changes
from bouquet_registry.store import Store
from tests.support.clock import DatetimeClock
from tests.support.editors import EDITOR_SIRET, create_editor, delegate, issue_editor_token, withdraw
from tests.support.habilitations import (
    ADMINISTRATOR,
    SCOPES,
    SIRET,
    change_habilitation,
    create_habilitation,
    habilitation_of,
    issue_token,
    revoke_token,
)


async def news(store: Store, since: TokenChanges | None = None) -> TokenChanges:
    async with store.reading() as connection:
        return await changes.changes_since(connection, since.log if since else "", since.cursor if since else 0)


async def held(store: Store, token: str) -> Any:
    async with store.reading() as connection:
        return (await changes.find_token(connection, token, refuses_withdrawn=True))[0]


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
    assert MAX_CHANGED_IDS == 1000
    monkeypatch.setattr(changes, "MAX_CHANGED_IDS", 2)
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


async def delegated(store: Store, editor: str, siret: str = SIRET) -> Any:
    async with store.reading() as connection:
        return (await changes.find_delegations(connection, editor, siret)).delegations


async def test_a_token_has_the_limits_and_the_ine_flag_of_its_habilitation(store: Store) -> None:
    limits = (GroupLimit("/v3/dss/", 60),)
    token = await issue_token(store, calls_per_second=50, group_limits=limits, ine=True)
    found = await held(store, token.id)
    assert (found.calls_per_second, found.group_limits, found.ine) == (50, limits, True)
    assert not (await held(store, (await issue_token(store)).id)).ine


async def test_a_token_of_an_editor_has_no_rights_itself(store: Store, clock: DatetimeClock) -> None:
    editor = await create_editor(store, allowed_ips=("192.0.2.0/24",))
    narrow, wide = (
        await issue_editor_token(store, editor, clock, allowed_ips=("192.0.2.7",)),
        await issue_editor_token(store, editor),
    )
    found = await held(store, narrow.id)
    assert (found.editor, found.siret, found.scopes, found.habilitation) == (editor.id, EDITOR_SIRET, frozenset(), "")
    assert (found.allowed_ips, found.expires_at) == (("192.0.2.7",), narrow.expires_at.timestamp())
    assert (await held(store, wide.id)).allowed_ips == ("192.0.2.0/24",)


async def test_an_archived_editor_has_blacklisted_tokens(store: Store) -> None:
    editor = await create_editor(store)
    token = await issue_editor_token(store, editor)
    place = await news(store)
    async with transactions.begin(store, ADMINISTRATOR) as transaction:
        await editor_changes.change_editor(transaction, editor, state="archived")
    assert (await held(store, token.id)).blacklisted_at == 0
    assert (await news(store, place)).tokens == (token.id,)


async def test_a_delegation_allows_what_its_habilitation_does(store: Store) -> None:
    editor = await create_editor(store)
    own = await create_habilitation(store, calls_per_minute=7, allowed_ips=("10.0.0.0/8",), ine=True)
    [made] = await delegate(store, editor, own)
    [found] = await delegated(store, editor.id)
    assert (found.id, found.habilitation, found.siret) == (made.id, own.id, SIRET)
    assert (found.scopes, found.calls_per_minute, found.ine) == (frozenset(SCOPES), 7, True)
    assert found.allowed_ips == ("10.0.0.0/8",)
    assert await delegated(store, editor.id, EDITOR_SIRET) == ()
    assert await delegated(store, (await create_editor(store)).id) == ()


@pytest.mark.parametrize("state", ["archived", "revoked", "refused", "requested"])
async def test_a_delegation_of_a_habilitation_that_is_not_active_allows_nothing(store: Store, state: str) -> None:
    editor, token = await create_editor(store), await issue_token(store)
    await delegate(store, editor, await habilitation_of(store, token))
    place = await news(store)
    await change_habilitation(store, token, state=state)
    assert await delegated(store, editor.id) == ()
    assert (await news(store, place)).editors == (editor.id,)


async def test_every_change_of_a_delegation_is_reported_once_by_its_editor(store: Store) -> None:
    editor, other, token = await create_editor(store), await create_editor(store), await issue_token(store)
    await delegate(store, other, await create_habilitation(store))
    place = await news(store)
    [made] = await delegate(store, editor, await habilitation_of(store, token))
    place = await news(store, place)
    assert (place.tokens, place.editors) == ((), (editor.id,))
    await change_habilitation(store, token, scopes=())
    place = await news(store, place)
    assert (place.tokens, place.editors) == ((token.id,), (editor.id,))
    await withdraw(store, made)
    place = await news(store, place)
    assert (place.tokens, place.editors) == ((), (editor.id,))
    await change_habilitation(store, token, scopes=SCOPES)
    place = await news(store, place)
    assert (place.tokens, place.editors) == ((token.id,), ())


async def test_an_editor_s_delegations_are_paged_newest_first_with_revoked_ones(
    store: Store, clock: DatetimeClock
) -> None:
    editor, made = await create_editor(store), []
    for number in range(5):
        clock.advance(days=1)
        own = await create_habilitation(store, purpose=f"Cantine {number}", datapass_id=str(number))
        made += await delegate(store, editor, own, clock=clock)
    await withdraw(store, made[1])
    async with store.reading() as connection:
        first = await changes.delegation_page(connection, editor.id, 1, 3)
        second = await changes.delegation_page(connection, editor.id, 2, 3)
        beyond = await changes.delegation_page(connection, editor.id, 3, 3)
    assert (first.total, second.total, beyond.total) == (5, 5, 5)
    assert [one.purpose for one in first.delegations] == ["Cantine 4", "Cantine 3", "Cantine 2"]
    assert [(one.datapass_id, one.is_active) for one in second.delegations] == [("1", False), ("0", True)]
    assert beyond.delegations == ()

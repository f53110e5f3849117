"""Tests of editors, their tokens and the delegations to them, as the database keeps them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bouquet_registry import transactions
from bouquet_registry.acts import Author, acts
from bouquet_registry.editors import changes, queries
from bouquet_registry.habilitations import TOKEN_LIFE_MONTHS, months_later
from bouquet_registry.refusals import Conflict, InvalidFields, RefusalError, UnknownRecord
from bouquet_registry.store import Store
from tests.support.clock import DatetimeClock
from tests.support.editors import create_editor, delegate, delegations_of, issue_editor_token, withdraw
from tests.support.habilitations import ADMINISTRATOR, create_habilitation

WRONG: dict[str, dict[str, Any]] = {
    "siret": {"siret": "1"},
    "name": {"name": ""},
    "member": {"members": ("nobody",)},
    "address": {"allowed_ips": ("nowhere",)},
}


async def test_an_editor_is_read_back_as_created(store: Store, clock: DatetimeClock) -> None:
    made = await create_editor(
        store, clock, form_uids=("arpege-concerto",), allowed_ips=("192.0.2.0/24",), members=("zoe@arpege.example",)
    )
    async with store.reading() as connection:
        assert await queries.editor(connection, made.id) == made
        assert await queries.editors(connection) == [made]
        assert await queries.editors_of_form(connection, "arpege-concerto") == [made]
        assert await queries.editors_of_form(connection, "arpege") == []


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_invalid_editor_is_refused(store: Store, wrong: str) -> None:
    with pytest.raises(InvalidFields):
        await create_editor(store, **WRONG[wrong])


async def test_a_change_of_a_stale_version_of_an_editor_is_a_conflict(store: Store) -> None:
    made = await create_editor(store)
    async with transactions.begin(store, ADMINISTRATOR) as transaction:
        await changes.change_editor(transaction, made, name="Arpège Concerto")
    with pytest.raises(Conflict):
        async with transactions.begin(store, ADMINISTRATOR) as transaction:
            await changes.change_editor(transaction, made, name="Other")


async def test_a_token_of_an_editor_lives_for_18_months(store: Store, clock: DatetimeClock) -> None:
    token = await issue_editor_token(store, await create_editor(store, clock), clock, label="Concerto")
    assert token.expires_at == months_later(clock(), TOKEN_LIFE_MONTHS)
    async with store.reading() as connection:
        assert await queries.editor_token(connection, token.id) == token
        with pytest.raises(UnknownRecord):
            await queries.editor_token(connection, token.editor)


async def test_addresses_of_a_token_lie_within_those_of_its_editor(store: Store) -> None:
    editor = await create_editor(store, allowed_ips=("192.0.2.0/24", "2001:db8::/32"))
    token = await issue_editor_token(store, editor, allowed_ips=("192.0.2.7", "2001:db8:1::/48"))
    assert token.allowed_ips == ("192.0.2.7", "2001:db8:1::/48")
    for outside in ("198.51.100.1", "192.0.0.0/16", "nowhere"):
        with pytest.raises(InvalidFields, match="allowed_ips"):
            await issue_editor_token(store, editor, allowed_ips=(outside,))
    async with transactions.begin(store, ADMINISTRATOR) as transaction:
        with pytest.raises(InvalidFields, match="allowed_ips"):
            await changes.change_editor(transaction, editor, allowed_ips=("198.51.100.0/24",))


async def test_an_expired_token_is_not_prolonged_with_addresses_that_its_editor_has_no_longer(
    store: Store, clock: DatetimeClock
) -> None:
    editor = await create_editor(store, clock, allowed_ips=("192.0.2.0/24",))
    token = await issue_editor_token(store, editor, clock, allowed_ips=("192.0.2.7",))
    clock.now = token.expires_at
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        await changes.change_editor(transaction, editor, allowed_ips=("198.51.100.0/24",))
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        with pytest.raises(InvalidFields, match="allowed_ips"):
            await changes.prolong_token(transaction, token)


async def test_neither_label_nor_reason_of_an_editor_s_token_contains_a_token(store: Store) -> None:
    text = f"eyJhbGciOiJIUzI1NiJ9.{'e' * 20}.{'s' * 20}"
    editor = await create_editor(store)
    token = await issue_editor_token(store, editor)
    async with transactions.begin(store, ADMINISTRATOR) as transaction:
        for act in (
            changes.issue_token(transaction, editor, label=text),
            changes.change_token(transaction, token, label=f"Concerto {text}"),
            changes.revoke_token(transaction, token, text),
        ):
            with pytest.raises(InvalidFields, match="contains a token"):
                await act


async def test_a_blacklisted_token_of_an_editor_is_not_made_valid_again(store: Store, clock: DatetimeClock) -> None:
    token = await issue_editor_token(store, await create_editor(store, clock), clock)
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        _, former = await changes.rotate_token(transaction, token, timedelta(hours=1))
        later = await changes.revoke_token(transaction, former, "longer grace", clock() + timedelta(hours=2))
    clock.advance(hours=2)
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        with pytest.raises(RefusalError, match="blacklisted already"):
            await changes.revoke_token(transaction, later, "too late", clock() + timedelta(hours=1))


async def test_a_rotated_token_has_a_successor_and_stays_valid_for_the_grace_period(
    store: Store, clock: DatetimeClock
) -> None:
    editor = await create_editor(store, clock)
    token = await issue_editor_token(store, editor, clock, label="Concerto", allowed_ips=("192.0.2.7",))
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        made, former = await changes.rotate_token(transaction, token, timedelta(hours=24))
    assert (made.label, made.allowed_ips, made.blacklisted_at) == ("Concerto", ("192.0.2.7",), None)
    assert former.blacklisted_at == clock() + timedelta(hours=24)
    with pytest.raises(RefusalError, match="blacklisted"):
        async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
            await changes.rotate_token(transaction, former)


async def test_an_archived_editor_gets_neither_tokens_nor_delegations(store: Store) -> None:
    editor = await create_editor(store, state="archived")
    with pytest.raises(RefusalError, match="archived"):
        await issue_editor_token(store, editor)
    with pytest.raises(RefusalError, match="takes no delegations"):
        await delegate(store, editor, await create_habilitation(store))


async def test_a_delegation_needs_an_editor_that_takes_them_and_an_active_habilitation(store: Store) -> None:
    with pytest.raises(RefusalError, match="takes no delegations"):
        await delegate(store, await create_editor(store, delegable=False), await create_habilitation(store))
    with pytest.raises(RefusalError, match="revoked"):
        await delegate(store, await create_editor(store), await create_habilitation(store, state="revoked"))


async def test_a_habilitation_is_delegated_to_an_editor_once_at_a_time(store: Store) -> None:
    editor, own = await create_editor(store), await create_habilitation(store)
    [first] = await delegate(store, editor, own)
    with pytest.raises(Conflict, match="already"):
        await delegate(store, editor, own)
    await delegate(store, await create_editor(store), own)
    await withdraw(store, first)
    [second] = await delegate(store, editor, own)
    assert {one.id for one in await delegations_of(store, editor)} == {first.id, second.id}
    assert [one.id for one in await delegations_of(store, editor, revoked=False)] == [second.id]


async def test_the_history_of_a_delegation_names_who_created_and_revoked_it_and_why(
    store: Store, clock: DatetimeClock
) -> None:
    editor, own = await create_editor(store, clock), await create_habilitation(store, clock)
    async with transactions.begin(store, Author("Anne Durant", "new software"), clock) as transaction:
        made = await changes.delegate(transaction, editor, own)
    created_at = clock()
    clock.advance(days=30)
    async with transactions.begin(store, Author("Zoé Martin", "contract ended"), clock) as transaction:
        await changes.withdraw(transaction, made)
    async with store.reading() as connection:
        found = await queries.delegation(connection, made.id)
        told = await acts(connection, target=made.id)
    assert (found.created_at, found.created_by, found.created_why) == (created_at, "Anne Durant", "new software")
    assert (found.revoked_at, found.revoked_by, found.revoked_why) == (clock(), "Zoé Martin", "contract ended")
    assert (found.siret, found.editor_name) == (own.siret, editor.name)
    assert [(act.author, act.act) for act in told] == [
        ("Zoé Martin", "delegation revoke"),
        ("Anne Durant", "delegation create"),
    ]


async def test_a_revoked_delegation_cannot_be_revoked_again(store: Store) -> None:
    [made] = await delegate(store, await create_editor(store), await create_habilitation(store))
    revoked = await withdraw(store, made)
    with pytest.raises(Conflict):
        await withdraw(store, made)
    with pytest.raises(RefusalError, match="already"):
        await withdraw(store, revoked)


async def test_every_change_of_an_editor_is_an_act(store: Store) -> None:
    editor = await create_editor(store)
    token = await issue_editor_token(store, editor)
    async with transactions.begin(store, ADMINISTRATOR) as transaction:
        token = await changes.change_token(transaction, token, label="Concerto")
        token = await changes.prolong_token(transaction, token)
        _, token = await changes.rotate_token(transaction, token)
        await changes.revoke_token(transaction, token, "leaked")
        editor = await changes.change_editor(transaction, editor, name="Other")
        await changes.change_editor(transaction, editor, state="archived")
    async with store.reading() as connection:
        of_token = {act.act for act in await acts(connection, target=token.id)}
        of_editor = {act.act for act in await acts(connection, target=editor.id)}
    assert of_token == {f"editor-token {what}" for what in ("issue", "change", "prolong", "rotate", "revoke")}
    assert of_editor == {f"editor {what}" for what in ("create", "change", "archived")}

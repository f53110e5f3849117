"""Software editors, their tokens and their delegations, written to a registry's database."""

from __future__ import annotations

from typing import Any

from bouquet_registry import transactions
from bouquet_registry.clock import Clock as AnyClock
from bouquet_registry.clock import utc_now
from bouquet_registry.editors import changes, queries
from bouquet_registry.editors.records import Delegation, Editor, EditorToken
from bouquet_registry.habilitations import Habilitation
from bouquet_registry.store import Store
from tests.support.habilitations import ADMINISTRATOR

EDITOR_SIRET = "21750001600019"


async def create_editor(store: Store, clock: AnyClock = utc_now, **fields: Any) -> Editor:
    """Creates an editor to which habilitations may be delegated. `fields` replace its default values, such as the
    SIRET."""
    wanted = {"siret": EDITOR_SIRET, "name": "Arpège", "delegable": True}
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        return await changes.create_editor(transaction, **wanted | fields)


async def issue_editor_token(store: Store, editor: Editor, clock: AnyClock = utc_now, **fields: Any) -> EditorToken:
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        return await changes.issue_token(transaction, editor, **fields)


async def delegate(
    store: Store, editor: Editor, *habilitations: Habilitation, clock: AnyClock = utc_now
) -> list[Delegation]:
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        return [await changes.delegate(transaction, editor, one) for one in habilitations]


async def withdraw(store: Store, delegation: Delegation, clock: AnyClock = utc_now) -> Delegation:
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        return await changes.withdraw(transaction, delegation)


async def delegations_of(store: Store, editor: Editor, **filters: Any) -> list[Delegation]:
    """Returns the delegations to an editor, newest first."""
    async with store.reading() as connection:
        return await queries.delegations(connection, editor=editor.id, **filters)

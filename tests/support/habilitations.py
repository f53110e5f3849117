"""Habilitations (what an administration may ask for) and their tokens, written to a registry's database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bouquet_registry import queries, transactions
from bouquet_registry.acts import Author
from bouquet_registry.clock import Clock as AnyClock
from bouquet_registry.clock import utc_now
from bouquet_registry.habilitations import Contact, Habilitation, Token
from bouquet_registry.store import Store

SIRET = "13002526500013"
SCOPES = ("dss_quotient_familial", "dss_allocataires")
CONTACTS = (
    Contact("demandeur", "anne@mairie.example", "Anne Durant"),
    Contact("contact_technique", "si@mairie.example"),
)


ADMINISTRATOR = Author("Anne Durant", "asked by the holder")


async def create_habilitation(store: Store, clock: AnyClock = utc_now, **fields: Any) -> Habilitation:
    """Creates a habilitation. `fields` replace its default values."""
    wanted = {"siret": SIRET, "name": "MAIRIE", "purpose": "Cantine", "scopes": SCOPES, "contacts": CONTACTS}
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        return await transaction.create(**wanted | fields)


async def issue_token(store: Store, clock: AnyClock = utc_now, **fields: Any) -> Token:
    own = await create_habilitation(store, clock, **fields)
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        return await transaction.issue(own)


async def read_token(store: Store, id_: str) -> Token:
    async with store.reading() as connection:
        return await queries.token(connection, id_)


async def habilitation_of(store: Store, given: Token) -> Habilitation:
    """Returns the habilitation of a token, read again from the database."""
    async with store.reading() as connection:
        return await queries.habilitation(connection, given.habilitation)


async def change_habilitation(store: Store, given: Token, clock: AnyClock = utc_now, **fields: Any) -> Habilitation:
    own = await habilitation_of(store, given)
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        return await transaction.change(own, **fields)


async def revoke_token(store: Store, given: Token, clock: AnyClock = utc_now, at: datetime | None = None) -> Token:
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        return await transaction.revoke(given, "leaked", at)

"""A registry with somebody in it, and a clock to travel with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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


ANNE = Author("Anne Durant", "asked by the holder")
"""An administrator."""


class Clock:
    def __init__(self, now: datetime = datetime(2026, 4, 15, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def go(self, **by: float) -> None:
        self.now += timedelta(**by)


async def habilitation(store: Store, clock: AnyClock = utc_now, **fields: Any) -> Habilitation:
    wanted = {"siret": SIRET, "name": "MAIRIE", "purpose": "Cantine", "scopes": SCOPES, "contacts": CONTACTS}
    async with transactions.begin(store, ANNE, clock) as transaction:
        return await transaction.create(**wanted | fields)


async def issued(store: Store, clock: AnyClock = utc_now, **fields: Any) -> Token:
    own = await habilitation(store, clock, **fields)
    async with transactions.begin(store, ANNE, clock) as transaction:
        return await transaction.issue(own)


async def token(store: Store, id_: str) -> Token:
    async with store.reading() as connection:
        return await queries.token(connection, id_)


async def of(store: Store, given: Token) -> Habilitation:
    """The habilitation of a token, as it is now."""
    async with store.reading() as connection:
        return await queries.habilitation(connection, given.habilitation)


async def change(store: Store, given: Token, clock: AnyClock = utc_now, **fields: Any) -> Habilitation:
    """Of the token's habilitation."""
    own = await of(store, given)
    async with transactions.begin(store, ANNE, clock) as transaction:
        return await transaction.change(own, **fields)


async def revoke(store: Store, given: Token, clock: AnyClock = utc_now, at: datetime | None = None) -> Token:
    async with transactions.begin(store, ANNE, clock) as transaction:
        return await transaction.revoke(given, "leaked", at)

"""A registry with somebody in it, and a clock to travel with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bouquet_registry import desk
from bouquet_registry.acts import Author
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


async def habilitation(store: Store, clock: desk.Clock = desk.utc_now, **fields: Any) -> Habilitation:
    wanted = {"siret": SIRET, "name": "MAIRIE", "purpose": "Cantine", "scopes": SCOPES, "contacts": CONTACTS}
    async with desk.sitting(store, ANNE, clock) as sitting:
        return await sitting.create(**wanted | fields)


async def issued(store: Store, clock: desk.Clock = desk.utc_now, **fields: Any) -> Token:
    own = await habilitation(store, clock, **fields)
    async with desk.sitting(store, ANNE, clock) as sitting:
        return await sitting.issue(own)


async def token(store: Store, id_: str) -> Token:
    async with store.reading() as connection:
        return await desk.token(connection, id_)


async def of(store: Store, given: Token) -> Habilitation:
    """The habilitation of a token, as it is now."""
    async with store.reading() as connection:
        return await desk.habilitation(connection, given.habilitation)


async def change(store: Store, given: Token, clock: desk.Clock = desk.utc_now, **fields: Any) -> Habilitation:
    """Of the token's habilitation."""
    own = await of(store, given)
    async with desk.sitting(store, ANNE, clock) as sitting:
        return await sitting.change(own, **fields)


async def revoke(store: Store, given: Token, clock: desk.Clock = desk.utc_now, at: datetime | None = None) -> Token:
    async with desk.sitting(store, ANNE, clock) as sitting:
        return await sitting.revoke(given, "leaked", at)

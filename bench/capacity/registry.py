"""CPU cost of the registry's answers to gateways, and database size of a token."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, insert, text

from bench.capacity.database import Database, Opened, opened
from bench.capacity.figure import Figure, awaited_cpu_us
from bench.lookup import RECIPIENT, SCOPES
from bouquet_proto.messages import Changes, Found, WhoIs
from bouquet_registry import changes, schema
from bouquet_registry.clock import utc_now
from bouquet_registry.last_used import LastUses
from bouquet_registry.served_scopes import ScopeReports
from bouquet_registry.worker import GatewayRequests

ANSWERS = 500
NOW = datetime(2026, 11, 22, tzinfo=UTC)
FIRST = "the first"
SPREAD, RANGE = 2_654_435_761, 2**32
"""Multiplier and modulus by which consecutive numbers become ids that look random: `number * SPREAD % RANGE`."""


async def figures(database: Database, sizes: tuple[int, ...]) -> list[Figure]:
    found: list[Figure] = []
    async with opened(database) as place:
        empty = await place.size_bytes()
        async with place.store.writing() as connection:
            await connection.execute(insert(schema.habilitations).values(_habilitation()))
            await connection.execute(insert(schema.tokens).values(_token()))
        for begun, size in zip((0, *sizes), sizes, strict=False):
            await _copy(place, schema.habilitations, ("id", "datapass_id"), begun, size)
            await _copy(place, schema.tokens, ("id", "habilitation"), begun, size)
            async with place.store.writing() as connection:
                await connection.execute(text("analyze"))  # PostgreSQL does so by itself, after a minute
            found += await _answers(place, size)
        held = (await place.size_bytes() - empty) / sizes[-1]
        found.append(Figure(f"registry, {database.name}", "token and its habilitation, kept", held, "bytes"))
    return found


async def _copy(place: Opened, table: Table, own: tuple[str, ...], begin: int, end: int) -> None:
    """Inserts one copy of the row whose id is `FIRST` for each number in `range(begin, end)`. The columns named in
    `own` get an id computed from the number; all other columns are copied unchanged."""
    number = f"substr(cast(i * {SPREAD} % {RANGE} as text) || '-0000-4000-8000-000000000000', 1, 36)"
    names = [column.name for column in table.c]
    values = ", ".join(number if name in own else f"one.{name}" for name in names)
    numbers = (
        f"with recursive n(i) as (select cast({begin} as bigint) union all select i + 1 from n where i + 1 < {end})"
    )
    copies = f"{numbers} select {values} from n, {table.name} one where one.id = '{FIRST}'"
    async with place.store.writing() as connection:
        await connection.execute(text(f"insert into {table.name} ({', '.join(names)}) {copies}"))


def _id(number: int) -> str:
    return f"{number * SPREAD % RANGE}-0000-4000-8000-000000000000"[:36]


async def _answers(place: Opened, size: int) -> list[Figure]:
    uses, server = LastUses(place.store), place.database.server
    window = GatewayRequests(place.store, uses, ScopeReports(place.store, utc_now))
    asked = iter([_id(number * size // ANSWERS) for number in range(ANSWERS)])

    async def who_is() -> None:
        assert isinstance(await window.answer(WhoIs(id="1", deadline=4e9, token=next(asked))), Found)

    async with place.store.reading() as connection:
        log, number = await changes.log_position(connection)

    async def nothing_new() -> None:
        assert isinstance(await window.answer(Changes(id="1", deadline=4e9, log=log, since=number)), Found)

    name, of = f"registry, {place.database.name}", f"of {size:,} tokens"
    return [
        Figure(name, f"`WhoIs`, {of}", await awaited_cpu_us(who_is, ANSWERS, server), "µs"),
        Figure(name, f"`Changes` with nothing new, {of}", await awaited_cpu_us(nothing_new, ANSWERS, server), "µs"),
        Figure(name, f"use of a token noted, {of}", await awaited_cpu_us(uses.write, 1, server) / ANSWERS, "µs"),
    ]


def _habilitation() -> dict[str, Any]:
    return {
        "id": FIRST,
        "siret": RECIPIENT,
        "name": "Commune de Plouzané",
        "purpose": "Tarification de la cantine et du périscolaire",
        "contacts": [{"kind": "demandeur", "email": "mairie@commune.example"}],
        "scopes": list(SCOPES),
        "modalities": ["params"],
        "calls_per_minute": 0,
        "allowed_ips": [],
        "delegations": [],
        "datapass_id": FIRST,
        "state": "active",
        "version": 1,
        "created_at": NOW,
        "updated_at": NOW,
    }


def _token() -> dict[str, Any]:
    return {
        "id": FIRST,
        "habilitation": FIRST,
        "issued_at": NOW,
        "expires_at": NOW.replace(year=2028),
        "blacklist_reason": "",
        "version": 1,
        "change": 0,
    }

"""Access records for tests, and helpers that wait for them or forge them in a journal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, text

from bouquet_mesh.pseudonym import pseudonym
from bouquet_mesh.secret import Secret
from bouquet_proto import access_record
from bouquet_proto.access_record import Access
from bouquet_proto.identity import Identite
from bouquet_registry.journal import schema, writer
from bouquet_registry.store import Store
from tests.support.habilitations import SIRET
from tests.support.waiting import TEST_TIMEOUT_S

NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
KEY = Secret("a key of pseudonyms")
PERSON = Identite(
    nom_naissance="KERVALLAN",
    prenoms=("Ève-Marie",),
    annee_date_naissance=1990,
    mois_date_naissance=3,
    jour_date_naissance=7,
    sexe_etat_civil="F",
    code_cog_insee_commune_naissance="29019",
    code_cog_insee_pays_naissance="99100",
)
PSEUDONYM = pseudonym(KEY, PERSON)


def access(id_: object, **fields: Any) -> Access:
    own: dict[str, Any] = {
        "at": NOON.timestamp(),
        "outcome": "found",
        "status": 200,
        "operation": "dss.quotient_familial.v4",
        "habilitation": "h-1",
        "token": "t-1",
        "recipient": SIRET,
        "provider": "cnaf",
        "regime": "CNAF",
        "duration_ms": 12.5,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "person": PSEUDONYM,
        "key": "2026",
    }
    return Access(id=str(id_), **own | fields)


async def write(store: Store, accesses: Iterable[Access]) -> writer.WriteResult:
    return await write_bodies(store, map(access_record.encode, accesses))


async def write_bodies(store: Store, bodies: Iterable[bytes]) -> writer.WriteResult:
    return await writer.write(store, writer.parse_records(bodies))


async def ids(store: Store) -> list[str]:
    async with store.reading() as connection:
        return list(await connection.scalars(select(schema.journal.c.id).order_by(schema.journal.c.number)))


async def arrived(store: Store, *names: str) -> None:
    """Waits until the journal holds exactly the records with these ids."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while sorted(await ids(store)) != sorted(names):  # noqa: ASYNC110 - somebody else writes
            await asyncio.sleep(0.05)


async def count(store: Store) -> int:
    async with store.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(schema.journal)) or 0


async def tamper(store: Store, *statements: str) -> None:
    """Runs SQL on the journal's database, as a forger who has the database's password could."""
    async with store.writing() as connection:
        for statement in statements:
            await connection.execute(text(statement))

"""Writing to the journal. A writer locks the head of the chain, so that numbers follow each other and no record is
kept twice."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_mesh.outbox.packages import MAX_PACKAGE_RECORDS, unpack
from bouquet_proto import access_record
from bouquet_proto.access_record import Access
from bouquet_registry.journal import schema
from bouquet_registry.journal.chain import Link, Row, chain
from bouquet_registry.store import Store

T = TypeVar("T")

READMIT_BATCH_RECORDS = 500
"""Largest number of records that `readmit` writes in one transaction."""
MAX_TEXT = 255
"""Largest number of characters in a text field of a record."""
YEAR_10000 = 253_402_300_800.0
"""Start of the year 10,000 in epoch seconds: `datetime` can hold no later time."""
HEXADECIMAL = re.compile(r"([0-9a-f]{2})*")
PSEUDONYM = re.compile(r"[0-9a-f]{64}")
MAX_FOUND = 300
"""Largest number of people that one record may list as named by the answer."""


class Batch(Struct, frozen=True):
    """Messages from the outbox: the records to write, and the bodies that are no records."""

    accesses: list[Access]
    aside: list[bytes]
    """Bodies that cannot be read as a record."""


class Written(Struct, frozen=True):
    """Result of a write: how many records are new, and how many are duplicates."""

    records: int
    duplicates: int


def parse_records(bodies: Iterable[bytes]) -> Batch:
    """Parses the bodies of messages into a batch; those that are no records go to `aside`."""
    batch = Batch([], [])
    for body in bodies:
        access = read(body)
        if access is None:
            batch.aside.append(body)
        else:
            batch.accesses.append(access)
    return batch


def read(body: bytes) -> Access | None:
    """Parses the body of a message as a record. Returns None for one that is malformed or that the database would
    refuse, since it must not stop the records that follow."""
    try:
        access = access_record.decode(body)
    except msgspec.DecodeError:
        return None
    texts = (value for value in msgspec.structs.astuple(access) if isinstance(value, str))
    fits = (
        access.id
        and all(len(text) <= MAX_TEXT and "\0" not in text for text in texts)
        and HEXADECIMAL.fullmatch(access.person)
        and len(access.found) <= MAX_FOUND
        and all(map(PSEUDONYM.fullmatch, access.found))
        and 0 <= access.at < YEAR_10000
        and 0 <= access.status < 1000
        and access.outcome != "pruned"
        and not access.pruned_to
    )
    return access if fits else None


async def write(store: Store, batch: Batch) -> Written:
    """Writes a batch in one transaction, and returns the counts. Leaves out duplicates: records whose id is already in
    the journal, or earlier in the batch."""
    try:
        return await _write(store, batch, wary=False)
    except IntegrityError:  # some of it came before, which is rare: the usual batch looks nothing up
        return await _write(store, batch, wary=True)


async def _write(store: Store, batch: Batch, *, wary: bool) -> Written:
    accesses = _first_by(lambda access: access.id, batch.accesses)
    bodies = _first_by(_digest, batch.aside)
    async with store.writing() as connection:
        after = await lock_head(connection)
        if wary:
            await _remove_known(connection, schema.journal.c.id, accesses)
            await _remove_known(connection, schema.aside.c.digest, bodies)
        await append(connection, list(chain(after, accesses.values())))
        await _put_aside(connection, bodies)
    return Written(records=len(accesses), duplicates=len(batch.accesses) - len(accesses))


async def readmit(store: Store) -> tuple[int, int]:
    """Writes to the journal those messages, put aside as unreadable, that this version can read. Returns how many it
    could read, and how many it could not."""
    async with store.reading() as connection:
        bodies = list(await connection.scalars(select(schema.aside.c.body)))
    readable = [body for body in bodies if all(map(read, unpack(body)))]
    for begin in range(0, len(readable), READMIT_BATCH_RECORDS // MAX_PACKAGE_RECORDS):
        some = readable[begin : begin + READMIT_BATCH_RECORDS // MAX_PACKAGE_RECORDS]
        await write(store, parse_records(record for body in some for record in unpack(body)))
        async with store.writing() as connection:
            known = schema.aside.c.digest.in_([_digest(body) for body in some])
            await connection.execute(delete(schema.aside).where(known))
    return len(readable), len(bodies) - len(readable)


async def lock_head(connection: AsyncConnection) -> Link:
    """Returns number and hash of the last record, and locks the head until the transaction ends."""
    row = (await connection.execute(select(schema.head).where(schema.ONLY_HEAD).with_for_update())).one()
    return Link(row.number, row.hash)


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def _first_by(name: Callable[[T], str], items: Iterable[T]) -> dict[str, T]:
    """Returns the items by the name that the function `name` gives each, in order; of those with the same name, the
    first."""
    found: dict[str, T] = {}
    for item in items:
        found.setdefault(name(item), item)
    return found


async def _remove_known(connection: AsyncConnection, known: ColumnElement[str], named: dict[str, T]) -> None:
    """Removes from `named` the entries whose name is already in the database column `known`."""
    for name in await connection.scalars(select(known).where(known.in_(named))):
        del named[name]


async def append(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Inserts rows that continue the chain, and notes the last one in the head. The caller must have locked the
    head."""
    if rows:
        await connection.execute(insert(schema.journal), [_columns(row) for row in rows])
        if named := [columns for row in rows for columns in _index_columns(row)]:
            await connection.execute(insert(schema.found_index), named)
        last = rows[-1].link
        moved = update(schema.head).where(schema.ONLY_HEAD).values(number=last.number, hash=last.hash)
        await connection.execute(moved)


def _columns(row: Row) -> dict[str, Any]:
    place = {"number": row.link.number, "previous": row.previous, "hash": row.link.hash}
    return msgspec.structs.asdict(row.access) | place


def _index_columns(row: Row) -> list[dict[str, Any]]:
    return [{"number": row.link.number, "prefix": prefix} for prefix in prefixes_of(row)]


def prefixes_of(row: Row) -> frozenset[int]:
    """Returns what the index of people must have for a record: the prefixes of its `found` pseudonyms."""
    return frozenset(map(schema.prefix_of, row.access.found))


def row_of(columns: RowMapping) -> Row:
    """Returns a row of the table `journal` as a record with its place in the chain."""
    access = Access(**{name: columns[name] for name in Access.__struct_fields__})
    return Row(access, Link(columns["number"], columns["hash"]), columns["previous"])


async def _put_aside(connection: AsyncConnection, by_digest: dict[str, bytes]) -> None:
    if by_digest:
        rows = [{"digest": digest, "at": time.time(), "body": body} for digest, body in by_digest.items()]
        await connection.execute(insert(schema.aside), rows)

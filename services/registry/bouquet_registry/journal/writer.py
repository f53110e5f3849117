"""Writing to the journal. A lock makes writers take turns, so that the numbers of records have no gaps."""
# They lock the head of the chain, the table row that notes the last record. No record is written twice.
# The head is the table row that notes the last record.

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Dialect, RowMapping, Table, delete, insert, select, update
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
"""Largest number of characters in a text field of a record, which is also the width of its database column."""
YEAR_10000 = 253_402_300_800.0
"""Start of the year 10,000, in epoch seconds. A `datetime` can hold only earlier times."""
HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})*")
PSEUDONYM = re.compile(r"[0-9a-f]{64}")
MAX_FOUND = 300
"""Largest number of people whom the answer in one record may name. A record with more is set aside as unreadable."""


class ParsedBatch(Struct, frozen=True):
    """Batch of messages from the outbox (the queue from gateways), sorted into records to write and unreadable messages
    to set aside."""

    accesses: list[Access]
    aside: list[bytes]


class WriteResult(Struct, frozen=True):
    records: int
    duplicates: int


def parse_records(bodies: Iterable[bytes]) -> ParsedBatch:
    """Parses messages into a batch. A message that `read` cannot parse goes to the batch's `aside`."""
    batch = ParsedBatch([], [])
    for body in bodies:
        access = read(body)
        if access is None:
            batch.aside.append(body)
        else:
            batch.accesses.append(access)
    return batch


def read(body: bytes) -> Access | None:
    """Parses a message as a record. Returns None if the message is malformed, or is a record that the journal cannot
    accept."""
    # The database must be able to store the record, and only the registry records a pruning.
    # One such record must not stop the records that follow.
    try:
        access = access_record.decode(body)
    except msgspec.DecodeError:
        return None
    texts = [value for value in msgspec.structs.astuple(access) if isinstance(value, str)]
    fits = (
        access.id
        and max(map(len, texts)) <= MAX_TEXT
        and "\0" not in "".join(texts)
        and HEXADECIMAL.fullmatch(access.person)
        and len(access.found) <= MAX_FOUND
        and all(map(PSEUDONYM.fullmatch, access.found))
        and 0 <= access.at < YEAR_10000
        and 0 <= access.status < 1000
        and access.outcome != "pruned"
        and not access.pruned_to
    )
    return access if fits else None


async def write(store: Store, batch: ParsedBatch) -> WriteResult:
    """Writes a batch in one transaction, and returns how many of its records were new and how many were duplicates. A
    record is a duplicate if its id is already in the journal or occurs earlier in the batch."""
    # A duplicate has an id that is already in the journal or earlier in the batch; it is not written.
    try:
        return await _write(store, batch, wary=False)
    except IntegrityError:  # some of it came before, which is rare: the usual batch looks nothing up
        return await _write(store, batch, wary=True)


async def _write(store: Store, batch: ParsedBatch, *, wary: bool) -> WriteResult:
    accesses = _first_by(lambda access: access.id, batch.accesses)
    bodies = _first_by(_digest, batch.aside)
    async with store.writing() as connection:
        after = await lock_head(connection)
        if wary:
            await _remove_known(connection, schema.journal.c.id, accesses)
            await _remove_known(connection, schema.aside.c.digest, bodies)
        await append(connection, list(chain(after, accesses.values())))
        await _put_aside(connection, bodies)
    return WriteResult(records=len(accesses), duplicates=len(batch.accesses) - len(accesses))


async def readmit(store: Store) -> tuple[int, int]:
    """Tries again to read the messages that were unreadable on arrival, and writes the readable ones to the journal.
    Returns how many messages were readable, and how many remain unreadable."""
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
    """Returns the number and hash of the journal's last record. Until the transaction ends, no other transaction can
    write to the journal."""
    row = (await connection.execute(select(schema.head).where(schema.ONLY_HEAD).with_for_update())).one()
    return Link(row.number, row.hash)


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def _first_by(name: Callable[[T], str], items: Iterable[T]) -> dict[str, T]:
    """Returns a dictionary of the items by their keys, which the function `name` returns. Of items with the same key,
    keeps the first."""
    found: dict[str, T] = {}
    for item in items:
        found.setdefault(name(item), item)
    return found


async def _remove_known(connection: AsyncConnection, known: ColumnElement[str], named: dict[str, T]) -> None:
    """Removes from the dictionary `named` the items whose key is already in the database column `known`."""
    for name in await connection.scalars(select(known).where(known.in_(named))):
        del named[name]


async def append(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Inserts rows at the end of the chain. The caller must have locked the end of the chain by `lock_head`."""
    if rows:
        await _insert(connection, schema.journal, [_journal_values(row) for row in rows])
        await _insert(connection, schema.found_people, [entry for row in rows for entry in _index_values(row)])
        last = rows[-1].link
        moved = update(schema.head).where(schema.ONLY_HEAD).values(number=last.number, hash=last.hash)
        await connection.execute(moved)


async def _insert(connection: AsyncConnection, table: Table, rows: list[tuple[Any, ...]]) -> None:
    """Inserts rows into a table. A row has one value for each column, in the order of the columns. The values must have
    types that the database's driver accepts."""
    # Not `execute`, which processes each value of each row: that costs more than the database's own work.
    if rows:
        await connection.exec_driver_sql(_insert_statement(table, connection.dialect), rows)


@lru_cache(maxsize=2)
def _insert_statement(table: Table, dialect: Dialect) -> str:
    return str(insert(table).compile(dialect=dialect))


_in_column_order = itemgetter(*schema.journal.c.keys())


def _journal_values(row: Row) -> tuple[Any, ...]:
    own = {
        "number": row.link.number,
        "person": bytes.fromhex(row.access.person),
        "found": bytes.fromhex("".join(row.access.found)),
        "previous": bytes.fromhex(row.previous),
        "hash": bytes.fromhex(row.link.hash),
    }
    values: tuple[Any, ...] = _in_column_order(msgspec.structs.asdict(row.access) | own)
    return values


def _index_values(row: Row) -> Iterator[tuple[int, int]]:
    return ((row.link.number, prefix) for prefix in prefixes_of(row))


def prefixes_of(row: Row) -> frozenset[int]:
    """Returns the numbers that the table `journal_found` must have for a record: one for each person whom the answer
    names."""
    return frozenset(map(schema.prefix_of, row.access.found))


def row_of(columns: RowMapping) -> Row:
    access = Access(**{name: columns[name] for name in Access.__struct_fields__})
    return Row(access, Link(columns["number"], columns["hash"]), columns["previous"])


async def _put_aside(connection: AsyncConnection, by_digest: dict[str, bytes]) -> None:
    if by_digest:
        rows = [{"digest": digest, "at": time.time(), "body": body} for digest, body in by_digest.items()]
        await connection.execute(insert(schema.aside), rows)

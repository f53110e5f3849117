"""Verification of the journal's chain (each record holds the hash of the previous one), and pruning, which removes the
oldest records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import uuid4

from msgspec import Struct
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_proto.access_record import Access
from bouquet_registry.journal import rollups, schema
from bouquet_registry.journal.chain import START, Link, Row, chain, fault
from bouquet_registry.journal.writer import append, lock_head, prefixes_of, row_of
from bouquet_registry.refusals import RefusalError
from bouquet_registry.store import PREFIX, Store

ROWS_PER_READ = 2000
"""Largest number of journal records read in one transaction."""
DAY_S = 24 * 3600
Clock: TypeAlias = Callable[[], float]


class BrokenChain(RefusalError):
    """Error for a journal whose content was changed by something other than the journal's writer. The message names the
    first wrong record."""


class ChainEnds(Struct, frozen=True):
    """Both ends of the journal's chain of records: the last record that was pruned (removed because of its age), and
    the newest record."""

    pruned: Link
    """Number and hash of the last pruned record."""
    head: Link
    """Number and hash of the newest record, according to the table `journal_head`."""
    last: int
    """Highest record number in the table `journal`. If the table is empty, the number of the last pruned (removed)
    record."""
    # In an intact journal, it is the number in `head`.
    first: int | None = None
    """Lowest record number in the table `journal`, or None if the table is empty."""
    pruning: Row | None = None
    """Journal record that describes the last pruning (removal of old records), or None if there is no such record."""


class StoredRecord(Struct, frozen=True):
    """Record of the journal, as read from the database. `indexed` contains the record's numbers in the table
    `journal_found`."""

    # It has one number for each person whom the answer names.

    row: Row
    indexed: frozenset[int]


class VerifiedChain(Struct, frozen=True):
    """Result of verifying the journal's chain of records. `head` is the number and hash of the last verified record;
    `prunings` are the verified records that describe a removal of old records."""

    head: Link
    prunings: tuple[Row, ...] = ()


async def read_ends(store: Store) -> ChainEnds:
    """Returns both ends of the journal's chain of records: the newest record, and the last pruned (removed) one. Raises
    `BrokenChain` if the table `journal_head` is damaged."""
    last = select(func.max(schema.journal.c.number)).scalar_subquery().label("last")
    # One statement, and so one moment: a pruning meanwhile removes the record of the pruning before.
    first = select(func.min(schema.journal.c.number)).scalar_subquery().label("first")
    head_and_pruning = schema.head.outerjoin(schema.journal, schema.journal.c.number == schema.head.c.pruning)
    head = [column.label(f"head_{column.name}") for column in schema.head.c]
    async with store.reading() as connection:
        heads = (
            (await connection.execute(select(schema.journal, *head, first, last).select_from(head_and_pruning)))
            .mappings()
            .all()
        )
    if len(heads) != 1:
        raise BrokenChain(f"journal_head has {len(heads)} rows instead of one")
    [row] = heads
    pruned = Link(row["head_pruned_number"], row["head_pruned_hash"])
    return ChainEnds(
        pruned,
        Link(row["head_number"], row["head_hash"]),
        pruned.number if row["last"] is None else row["last"],
        row["first"],
        None if row["number"] is None else row_of(row),
    )


async def verify(store: Store, since: int = 1, noted: Link | None = None) -> VerifiedChain:
    """Verifies the journal's records from number `since` on. Raises `BrokenChain` for a wrong or missing record, and
    `RefusalError` if `since` lies beyond the end of the journal.

    `noted` is None, or the number and hash of a record that somebody copied earlier. Raises `BrokenChain` if the
    journal now lacks this record or has another in its place. Raises `RefusalError` if the record was pruned (removed),
    or comes before those to verify.
    """
    # Records are missing if no record describes their pruning. Raises `RefusalError` if the noted record was pruned or
    # is not in the range. Ignores records that are written meanwhile.
    known = await read_ends(store)
    _check_pruned(known)
    after = await _link_before(store, max(since, known.pruned.number + 1), known)
    if noted is not None:
        _check_bounds(noted, after, known)
    prunings: list[Row] = []
    while after.number < known.head.number:
        after = await _verify_rows(store, after, known.head.number, noted, prunings)
    _check_noted(after, noted)
    if after.number == known.head.number and after != known.head:
        raise BrokenChain(f"record {after.number} is not the one that was written last")
    if known.last > known.head.number:
        raise BrokenChain(f"record {known.head.number + 1} was not written by the journal")
    return VerifiedChain(known.head, tuple(prunings))


def _check_pruned(known: ChainEnds) -> None:
    """Checks that a journal record describes the last pruning (removal of old records), if there was one. Raises
    `BrokenChain` if the record is missing, or does not fit the records that are left."""
    if known.pruned == START:
        return
    pruned_to = None if known.pruning is None else _pruned_to(known.pruning)
    gone = f"the records up to {known.pruned.number} are gone"
    if pruned_to is None or known.pruning is None or known.pruning.link.number <= known.pruned.number:
        raise BrokenChain(f"{gone} and no record tells of their pruning")
    if pruned_to.number < known.pruned.number or (
        pruned_to.number == known.pruned.number and pruned_to != known.pruned
    ):
        raise BrokenChain(f"{gone}, and record {known.pruning.link.number} tells of a pruning up to {pruned_to.number}")
    if known.first is not None and known.first <= known.pruned.number:
        raise BrokenChain(
            f"record {known.first} is there, although the records up to {known.pruned.number} were pruned"
        )


def _pruned_to(row: Row) -> Link | None:
    number, _, digest = row.access.pruned_to.partition(":")
    return Link(int(number), digest) if row.access.outcome == "pruned" and number.isdecimal() else None


def _check_bounds(noted: Link, after: Link, known: ChainEnds) -> None:
    if noted.number > known.head.number:
        raise BrokenChain(f"record {known.head.number + 1} is missing: the journal went to {noted.number}")
    if noted.number <= known.pruned.number and known.pruning is not None:
        when = datetime.fromtimestamp(known.pruning.access.at, UTC)
        raise RefusalError(
            f"record {noted.number} was pruned: record {known.pruning.link.number} of {when:%Y-%m-%d} tells that"
            f" the records up to {known.pruned.number} were removed"
        )
    if noted.number < after.number:
        raise RefusalError(f"record {noted.number} is not among those to be verified")


def _check_noted(link: Link, noted: Link | None) -> None:
    if noted is not None and link.number == noted.number and link != noted:
        raise BrokenChain(f"record {link.number} is not the one that was noted")


async def _link_before(store: Store, number: int, known: ChainEnds) -> Link:
    """Returns the number and hash of the record before record `number`. Raises `RefusalError` if the journal ends even
    earlier, and `BrokenChain` if the record is missing."""
    if number == known.pruned.number + 1:
        return known.pruned
    if number > known.head.number + 1:
        raise RefusalError(f"the journal ends at {known.head.number}")
    rows, pruned = await _read_rows(store, number - 2, number - 1)
    if pruned.number >= number - 1:
        return pruned
    if not rows:
        raise BrokenChain(f"record {number - 1} is missing")
    return rows[0].row.link


async def _verify_rows(store: Store, after: Link, last: int, noted: Link | None, prunings: list[Row]) -> Link:
    """Verifies the next rows after the record `after`: at most `ROWS_PER_READ`, and none beyond number `last`. Returns
    the number and hash of the last verified row. Appends the rows that describe a pruning (removal of old records) to
    `prunings`. Raises `BrokenChain` for a wrong or missing row. Raises it also if the record with the number of `noted`
    has another hash: somebody wrote down this number and hash earlier."""
    _check_noted(after, noted)
    rows, pruned = await _read_rows(store, after.number, last)
    if pruned.number > after.number:
        if noted is not None and after.number < noted.number < pruned.number:
            raise RefusalError(f"record {noted.number} was pruned meanwhile")
        return pruned
    if not rows:
        raise BrokenChain(f"record {after.number + 1} is missing")
    for stored in rows:
        after = _next_link(after, stored)
        _check_noted(after, noted)
        if stored.row.access.outcome == "pruned":
            prunings.append(stored.row)
    return after


def _next_link(link: Link, stored: StoredRecord) -> Link:
    """Verifies one record: it must directly follow the record `link`, be unchanged, and have the right numbers in the
    table `journal_found`. Returns its number and hash. Raises `BrokenChain` for a fault."""
    if wrong := fault(link, stored.row):
        raise BrokenChain(wrong)
    if stored.indexed != prefixes_of(stored.row):  # the chain does not cover the index
        raise BrokenChain(f"record {stored.row.link.number} is not the one that the index of people found was made of")
    return stored.row.link


async def _read_rows(store: Store, after: int, last: int) -> tuple[list[StoredRecord], Link]:
    """Returns the next rows after the record number `after`, at most `ROWS_PER_READ` and none beyond number `last`.
    Also returns the number and hash of the last pruned (removed) record."""
    # A pruning may have removed some of these rows meanwhile.
    async with store.reading() as connection:
        rows = await _select_rows(connection, after, last)
        return rows, await _read_pruned(connection)


async def _read_pruned(connection: AsyncConnection) -> Link:
    query = select(schema.head.c.pruned_number, schema.head.c.pruned_hash).where(schema.ONLY_HEAD)
    row = (await connection.execute(query)).one()
    return Link(row.pruned_number, row.pruned_hash)


async def _select_rows(connection: AsyncConnection, after: int, last: int) -> list[StoredRecord]:
    number = schema.journal.c.number
    query = select(schema.journal).where(number > after, number <= last).order_by(number).limit(ROWS_PER_READ)
    rows = (await connection.execute(query)).mappings().all()
    if not rows:
        return []
    indexed: dict[int, set[int]] = {row["number"]: set() for row in rows}
    within = schema.found_people.c.number.between(min(indexed), max(indexed))
    for entry in await connection.execute(select(schema.found_people).where(within)):
        indexed.setdefault(entry.number, set()).add(entry.prefix)
    return [StoredRecord(row_of(row), frozenset(indexed[row["number"]])) for row in rows]


async def prune(store: Store, before: float, now: Clock = time.time) -> int:
    """Removes the oldest records, and stops at the first one dated `before` (epoch seconds) or later. Returns the
    number of removed records. Appends a record that describes the pruning. Raises `BrokenChain` for a wrong record, and
    `RefusalError` if the database role may not remove records."""
    # Records end at the first one that is not older.
    known = await read_ends(store)
    _check_pruned(known)
    last, pruned = await _last_to_prune(store, before, known, now()), 0
    if last <= known.pruned.number:
        return 0
    after = known.pruned
    while after.number < last:
        after = await _verify_rows(store, after, last, None, [])
    await rollups.roll_up(store)
    await _record_pruning(store, after, now())
    while removed := await _prune_rows(store, last):
        pruned += removed
        await asyncio.sleep(rollups.STEP_PAUSE_S)
    return pruned


async def oldest_at(store: Store, now: float) -> float | None:
    """Returns the time (epoch seconds) of the oldest record, or None without records. Ignores records dated more than a
    day after `now`, since they come from a wrong clock."""
    number, at = schema.journal.c.number, schema.journal.c.at
    async with store.reading() as connection:
        return await connection.scalar(select(at).where(at <= now + DAY_S).order_by(number).limit(1))


async def _last_to_prune(store: Store, before: float, known: ChainEnds, now: float) -> int:
    """Returns the number of the last record that `prune` removes: the record before the first one dated `before` or
    later. `before` and `now` (the present time) are in epoch seconds."""
    # Ignores records dated more than a day in the future, since a wrong clock must not keep older records from being
    # removed.
    number, at = schema.journal.c.number, schema.journal.c.at
    first_kept = select(number).where(at.between(before, now + DAY_S)).order_by(number).limit(1)
    async with store.reading() as connection:
        kept = await connection.scalar(first_kept)
    return known.head.number if kept is None else kept - 1


async def _record_pruning(store: Store, last: Link, now: float) -> None:
    """Appends a journal record, dated `now` (epoch seconds), which says that all records up to `last` were pruned
    (removed)."""
    access = Access(id=str(uuid4()), at=now, outcome="pruned", status=0, pruned_to=str(last))
    async with store.writing() as connection:
        rows = list(chain(await lock_head(connection), [access]))
        await append(connection, rows)
        note = update(schema.head).where(schema.ONLY_HEAD).values(pruning=rows[-1].link.number)
        await connection.execute(note)


async def _prune_rows(store: Store, last: int) -> int:
    async with store.writing() as connection:
        await lock_head(connection)
        after = await _read_pruned(connection)
        rows = await _select_rows(connection, after.number, last)
        for stored in rows:
            after = _next_link(after, stored)
        await rollups.count_before_pruning(connection, after.number)
        deleted = await connection.execute(delete(schema.journal).where(schema.journal.c.number <= after.number))
        if deleted.rowcount < len(rows):
            unlike = f"run `bouquet-registry migrate` with the same {PREFIX}JOURNAL_KEEP_MONTHS"
            raise RefusalError(f"the database's role may not remove all records up to {after.number}: {unlike}")
        # After the records: the role of the journal's writer may remove only index entries of removed records.
        await connection.execute(delete(schema.found_people).where(schema.found_people.c.number <= after.number))
        pruned = {"pruned_number": after.number, "pruned_hash": after.hash}
        await connection.execute(update(schema.head).where(schema.ONLY_HEAD).values(pruned))
    return len(rows)

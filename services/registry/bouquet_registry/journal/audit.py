"""Whether the journal is whole, and how its oldest records go without making it look as if it were not."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry.desk import Refused
from bouquet_registry.journal import schema
from bouquet_registry.journal.book import hold_head, row_of
from bouquet_registry.journal.chain import Link, Row, fault
from bouquet_registry.store import Store

AT_ONCE = 2000


class Broken(Refused):
    """Somebody changed the journal behind its back."""


class Ends(Struct, frozen=True):
    pruned: Link
    """What the oldest record is chained to."""
    head: Link
    last: int
    """The highest number there is: the head's."""


async def ends(store: Store) -> Ends:
    query = select(schema.head, select(func.max(schema.journal.c.number)).scalar_subquery().label("last"))
    async with store.reading() as connection:
        row = (await connection.execute(query)).one()
    pruned = Link(row.pruned_number, row.pruned_hash)
    return Ends(pruned, Link(row.number, row.hash), pruned.number if row.last is None else row.last)


async def verify(store: Store, since: int = 1, noted: Link | None = None) -> Link:
    """The head, once all records from `since` to it have been found whole, `noted` among them.

    Raises `Broken` with the first number that is wrong. What is written meanwhile is left to the next time; what is
    pruned meanwhile was verified by `prune`.
    """
    known = await ends(store)
    after = await _before(store, max(since, known.pruned.number + 1), known)
    if noted is not None:
        _check_bounds(noted, after, known)
    while after.number < known.head.number:
        after = await _verified(store, after, known.head.number, noted)
    _check(after, noted)
    if after.number == known.head.number and after != known.head:
        raise Broken(f"record {after.number} is not the one that was written last")
    if known.last > known.head.number:
        raise Broken(f"record {known.head.number + 1} was not written by the journal")
    return known.head


def _check_bounds(noted: Link, after: Link, known: Ends) -> None:
    if noted.number > known.head.number:
        raise Broken(f"record {known.head.number + 1} is missing: the journal went to {noted.number}")
    if noted.number < after.number:
        raise Refused(f"record {noted.number} is not among those to be verified")


def _check(link: Link, noted: Link | None) -> None:
    if noted is not None and link.number == noted.number and link != noted:
        raise Broken(f"record {link.number} is not the one that was noted")


async def _before(store: Store, number: int, known: Ends) -> Link:
    """What a record is chained to."""
    if number == known.pruned.number + 1:
        return known.pruned
    if number > known.head.number + 1:
        raise Refused(f"the journal ends at {known.head.number}")
    rows, pruned = await _piece(store, number - 2, number - 1)
    if pruned.number >= number - 1:
        return pruned
    if not rows:
        raise Broken(f"record {number - 1} is missing")
    return rows[0].link


async def _verified(store: Store, after: Link, last: int, noted: Link | None) -> Link:
    """Where the next piece of the chain ends, once its records have been found whole."""
    _check(after, noted)
    rows, pruned = await _piece(store, after.number, last)
    if pruned.number > after.number:
        if noted is not None and after.number < noted.number < pruned.number:
            raise Refused(f"record {noted.number} was pruned meanwhile")
        return pruned
    if not rows:
        raise Broken(f"record {after.number + 1} is missing")
    for row in rows:
        if wrong := fault(after, row):
            raise Broken(wrong)
        after = row.link
        _check(after, noted)
    return after


async def _piece(store: Store, after: int, last: int) -> tuple[list[Row], Link]:
    """Rows, and how far the journal was pruned by then. In that order: whoever took some of them away has said so.

    A short read: a long one would keep a database from tidying up.
    """
    async with store.reading() as connection:
        rows = await _some(connection, after, last)
        pruned = (await connection.execute(select(schema.head.c.pruned_number, schema.head.c.pruned_hash))).one()
    return rows, Link(pruned.pruned_number, pruned.pruned_hash)


async def _some(connection: AsyncConnection, after: int, last: int) -> list[Row]:
    number = schema.journal.c.number
    query = select(schema.journal).where(number > after, number <= last).order_by(number).limit(AT_ONCE)
    return [row_of(row) for row in (await connection.execute(query)).mappings()]


async def prune(store: Store, before: float) -> int:
    """Removes the oldest records, up to the first that is not older than `before`; how many. The rest still verifies.

    Raises `Broken` where it is broken already: what shows it stays.
    """
    last, pruned = await _last_before(store, before), 0
    while removed := await _prune_some(store, last):
        pruned += removed
    return pruned


async def _last_before(store: Store, before: float) -> int:
    number = schema.journal.c.number
    first_kept = select(number).where(schema.journal.c.at >= before).order_by(number).limit(1)
    async with store.reading() as connection:
        kept = await connection.scalar(first_kept)
    return (await ends(store)).head.number if kept is None else kept - 1


async def _prune_some(store: Store, last: int) -> int:
    async with store.writing() as connection:
        await hold_head(connection)
        head = (await connection.execute(select(schema.head))).one()
        after = Link(head.pruned_number, head.pruned_hash)
        rows = await _some(connection, after.number, last)
        for row in rows:
            if wrong := fault(after, row):
                raise Broken(wrong)
            after = row.link
        await connection.execute(delete(schema.journal).where(schema.journal.c.number <= after.number))
        await connection.execute(update(schema.head).values(pruned_number=after.number, pruned_hash=after.hash))
    return len(rows)

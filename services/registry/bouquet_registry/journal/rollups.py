"""Roll-ups of the journal: tables that count calls by the hour, and people and supporting documents by the day. The
roll-ups remain when the records are pruned (removed)."""
# They are beside the chain, which does not cover them: each can be counted again as long as its records are kept.

from __future__ import annotations

import asyncio
import logging
from typing import Any, TypeAlias

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    FunctionElement,
    Select,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from bouquet_registry.journal.schema import ONLY_HEAD, ONLY_ROLLUP, days, head, hours, journal, pruned_hours, rollup
from bouquet_registry.store import INSERTS, Store

log = logging.getLogger(__name__)

ROLL_UP_INTERVAL_S = 10.0
"""Seconds between two additions of new journal records to the roll-ups (tables of counts)."""
STEP_PAUSE_S = 0.05
"""Pause, in seconds, between two transactions that count or remove records. Meanwhile, the journal's writer can use the
database."""
RECORDS_PER_STEP = 2000
"""Largest number of journal records that one transaction adds to the roll-ups (tables of counts)."""
HOUR_S = 3600
DAY_S = 24 * HOUR_S
HOURS_PER_DAY = 24
NOTHING_NEW, NEW_DOCUMENT, NEW_PERSON = range(3)
"""Effects of a call on the daily counts: none, a further document, or a further document and a further person."""

Condition: TypeAlias = ColumnElement[bool]


class Progress(Struct, frozen=True):
    """Progress of the roll-ups (tables of counts): how far the journal's records are counted."""

    number: int
    """Number of the last counted record. A rebuild sets this number back."""
    recounted_to: int
    """Number of the last record that the latest rebuild counts again."""
    # The records after it are counted for the first time.


class whole(FunctionElement[int]):
    """SQL expression that rounds a number down to an integer. The number must not be negative."""

    type = BigInteger()
    inherit_cache = True


@compiles(whole)
def _floor(element: whole, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(floor({compiler.process(element.clauses, **options)}) AS BIGINT)"


@compiles(whole, "sqlite")
def _cast(element: whole, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite may be built without `floor`, and its CAST cuts off; that of PostgreSQL rounds.
    return f"CAST({compiler.process(element.clauses, **options)} AS INTEGER)"


async def keep_rolling_up(store: Store) -> None:
    """Counts new records every `ROLL_UP_INTERVAL_S` seconds until cancelled. If the database is unavailable, logs this
    and tries again later."""
    while True:
        try:
            await roll_up(store)
        except (SQLAlchemyError, OSError) as error:
            log.warning("journal not rolled up, will retry", extra={"error": type(error).__name__})
        await asyncio.sleep(ROLL_UP_INTERVAL_S)


async def roll_up(store: Store) -> int:
    """Counts in the roll-ups (tables of counts) all records that are not counted there yet, and returns their
    number."""
    # Each transaction counts some records and notes the last of them, so that none counts twice after a crash.
    counted = 0
    while await uncounted(store):
        async with store.writing() as connection:
            counted += await _count_next(connection, await _lock_progress(connection), await _newest(connection))
        await asyncio.sleep(STEP_PAUSE_S)
    return counted


async def uncounted(store: Store) -> int:
    """Returns how many records the roll-ups (tables of counts) do not count yet."""
    async with store.reading() as connection:
        return await uncounted_in(connection)


async def uncounted_in(connection: AsyncConnection) -> int:
    """Returns how many records the roll-ups (tables of counts) do not count yet, like `uncounted`, over an open
    connection."""
    both = head.join(rollup, rollup.c.id == head.c.id)
    return int(await connection.scalar(select(head.c.number - rollup.c.number).select_from(both)) or 0)


async def rebuild(store: Store) -> int:
    """Counts all records of the journal again for the roll-ups (tables of counts), and returns their number. An hour or
    day with pruned (removed) records keeps its former counts."""
    # If it ends early, the periodic task goes on.
    async with store.writing() as connection:
        progress = await _lock_progress(connection)
        pruned = await connection.scalar(select(head.c.pruned_number).where(ONLY_HEAD)) or 0
        await connection.execute(delete(hours).where(hours.c.hour.not_in(_pruned_hours())))
        await connection.execute(delete(days).where(days.c.day.not_in(_pruned_days())))
        again = max(progress.number, progress.recounted_to)
        await _note(connection, Progress(pruned, again))
    return await roll_up(store)


async def count_before_pruning(connection: AsyncConnection, last: int) -> None:
    """Prepares the roll-ups (tables of counts) for the removal of all records up to number `last`. Counts the records
    not counted yet, and notes the hours of all removed records in `pruned_hours`."""
    # A rebuild keeps the counts of these hours.
    progress = await _lock_progress(connection)
    # A rebuild ends first: it skips hours that are noted here.
    to = max(last, progress.recounted_to)
    while progress.number < to:
        await _count_next(connection, progress, to)
        progress = await _lock_progress(connection)
    removed = select(_hour_of(journal)).where(journal.c.number <= last, _is_call(journal)).distinct()
    insert = INSERTS[connection.dialect.name](pruned_hours).on_conflict_do_nothing()
    await connection.execute(insert.from_select(["hour"], removed))


async def _lock_progress(connection: AsyncConnection) -> Progress:
    """Returns the roll-ups' progress: how far the journal's records are counted. Locks the row of the progress until
    the transaction ends, so that no other process counts meanwhile."""
    row = (await connection.execute(select(rollup).where(ONLY_ROLLUP).with_for_update())).one()
    return Progress(row.number, row.recounted_to)


async def _newest(connection: AsyncConnection) -> int:
    return await connection.scalar(select(head.c.number).where(ONLY_HEAD)) or 0


async def _note(connection: AsyncConnection, progress: Progress) -> None:
    values = {"number": progress.number, "recounted_to": progress.recounted_to}
    await connection.execute(update(rollup).where(ONLY_ROLLUP).values(values))


async def _count_next(connection: AsyncConnection, progress: Progress, last: int) -> int:
    """Adds the records after `progress.number` to the roll-ups (tables of counts): at most `RECORDS_PER_STEP`, and none
    beyond number `last`. Returns the number of these records."""
    to = min(last, progress.number + RECORDS_PER_STEP)
    if to <= progress.number:
        return 0
    within = and_(journal.c.number > progress.number, journal.c.number <= to, _is_call(journal))
    if progress.number < progress.recounted_to:
        fresh = journal.c.number > progress.recounted_to
        await _add_counts(
            connection, hours, _calls_by_hour(within & (fresh | _hour_of(journal).not_in(_pruned_hours())))
        )
        await _add_counts(connection, days, _people_by_day(within & (fresh | _day_of(journal).not_in(_pruned_days()))))
    else:
        await _add_counts(connection, hours, _calls_by_hour(within))
        await _add_counts(connection, days, _people_by_day(within))
    await _note(connection, Progress(to, progress.recounted_to))
    return to - progress.number


async def _add_counts(connection: AsyncConnection, table: Table, counted: Select[Any]) -> None:
    """Adds the counts that the query `counted` returns to the roll-up table `table`. The query must have the table's
    columns."""
    insert = INSERTS[connection.dialect.name](table)
    key = table.primary_key.columns.keys()
    sums = {column.name: column + insert.excluded[column.name] for column in table.c if column.name not in key}
    merged = insert.on_conflict_do_update(index_elements=key, set_=sums)
    await connection.execute(merged.from_select(table.c.keys(), counted))


def _calls_by_hour(within: Condition) -> Select[Any]:
    hour = _hour_of(journal).label("hour")
    own = journal.c
    by = (own.habilitation, hour, own.token, own.operation, own.outcome, own.code)
    return select(*by, func.count(), func.sum(own.duration_ms)).where(within).group_by(*by)


def _people_by_day(within: Condition) -> Select[Any]:
    """Returns the SQL query that counts people and supporting documents by habilitation, day (UTC) and operation.
    Counts people about whom calls found something, and documents (`justificatifs`) that these calls replaced. `within`
    is the condition on the records to count."""
    # Repeated calls about a person for the same recipient count as one document.
    # It counts even if the answers came from a cache. A call that names nobody counts as one document.
    own, before = journal.c, journal.alias("before")
    of_recipient = _unindexed(before.c.recipient) == own.recipient
    new = case(
        (own.person == "", NEW_DOCUMENT),
        (_has_earlier(before, of_recipient), NOTHING_NEW),
        (_has_earlier(before), NEW_DOCUMENT),
        else_=NEW_PERSON,
    )
    by = (own.habilitation, _day_of(journal).label("day"), own.operation, new.label("new"))
    calls = select(*by, func.count().label("calls")).where(within, _is_found(journal)).group_by(*by).subquery()
    key = (calls.c.habilitation, calls.c.day, calls.c.operation)
    persons = func.sum(case((calls.c.new == NEW_PERSON, calls.c.calls), else_=0))
    documents = func.sum(case((calls.c.new != NOTHING_NEW, calls.c.calls), else_=0))
    return select(*key, persons, documents).group_by(*key)


def _has_earlier(before: FromClause, *more: Condition) -> Condition:
    """Returns the SQL condition that an earlier call of the same day (UTC) found something about the same person. Both
    calls must have the same habilitation and operation. `before` is an alias of the table `journal` for the earlier
    call, and `more` are further conditions on this call."""
    day = _day_of(journal)
    return exists().where(
        before.c.person == journal.c.person,
        before.c.at >= day * DAY_S,
        before.c.at < (day + 1) * DAY_S,
        _unindexed(before.c.number) < journal.c.number,
        _unindexed(before.c.habilitation) == journal.c.habilitation,
        before.c.operation == journal.c.operation,
        _is_found(before),
        *more,
    )


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    # The index of people is the one to use: a person has few records of a day, a habilitation thousands.
    return func.coalesce(column, column)


def _is_call(table: FromClause) -> Condition:
    return table.c.outcome != "pruned"


def _is_found(table: FromClause) -> Condition:
    return and_(table.c.outcome == "found", table.c.operation != "")


def _hour_of(table: FromClause) -> ColumnElement[int]:
    return whole(table.c.at / HOUR_S)


def _day_of(table: FromClause) -> ColumnElement[int]:
    return whole(table.c.at / DAY_S)


def _pruned_hours() -> Select[Any]:
    return select(pruned_hours.c.hour)


def _pruned_days() -> Select[Any]:
    return select(pruned_hours.c.hour // HOURS_PER_DAY)

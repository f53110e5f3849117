"""What the journal answers: who read a citizen's data, and how much each habilitation asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry.journal.people import LeftOut
from bouquet_registry.journal.schema import journal
from bouquet_registry.schema import habilitations

Facts: TypeAlias = dict[str, Any]

DAY_S = 24 * 3600
AT_ONCE = 1000
"""Pseudonyms in one question: databases take some thousands."""


async def who_read(connection: AsyncConnection, pseudonyms: Mapping[str, LeftOut]) -> list[Facts]:
    """Every call about them, the newest first. `left_out` is what the caller did not tell of the person: with all of it
    left out, it may have been about somebody else of that name."""
    names, found = list(pseudonyms), []
    for begin in range(0, len(names), AT_ONCE):
        found += (await connection.execute(_calls_about(names[begin : begin + AT_ONCE]))).all()
    found.sort(key=lambda row: row.at, reverse=True)
    return [_access(row._mapping, pseudonyms[row.person]) for row in found]


def _calls_about(names: Sequence[str]) -> Select[Any]:
    told = [journal.c[name] for name in ("recipient", "operation", "outcome", "code", "provider", "cached", "trace_id")]
    query = select(journal.c.at, journal.c.habilitation, habilitations.c.name, *told, journal.c.person)
    named = journal.join(habilitations, habilitations.c.id == journal.c.habilitation, isouter=True)
    return query.select_from(named).where(journal.c.person.in_(names))


def _access(row: Mapping[str, Any], left_out: LeftOut) -> Facts:
    facts = {name: value for name, value in row.items() if name != "person"}
    return facts | {"at": datetime.fromtimestamp(row["at"], UTC), "left_out": left_out}


async def stats(
    connection: AsyncConnection, since: datetime, until: datetime, habilitation: str | None = None
) -> list[Facts]:
    """Calls between two moments by habilitation, operation and outcome; for those that found, how many `justificatifs`
    the citizens were not asked for."""
    asked: ColumnElement[bool] = journal.c.at.between(since.timestamp(), until.timestamp())
    if habilitation is not None:
        asked &= journal.c.habilitation == habilitation
    avoided = {(row[0], row[1]): row[2] for row in await connection.execute(_avoided(asked))}
    return [
        dict(row) | {"justificatifs_evites": avoided.get((row["habilitation"], row["operation"]), 0) * _found(row)}
        for row in (await connection.execute(_calls(asked))).mappings()
    ]


def _found(row: Mapping[str, Any]) -> bool:
    return bool(row["outcome"] == "found")


def _calls(asked: ColumnElement[bool]) -> Select[Any]:
    by = (journal.c.habilitation, journal.c.operation, journal.c.outcome)
    counted = select(*by, func.count().label("calls")).where(asked).group_by(*by).subquery()
    named = counted.join(habilitations, habilitations.c.id == counted.c.habilitation, isouter=True)
    columns = (counted.c.habilitation, habilitations.c.name, counted.c.operation, counted.c.outcome, counted.c.calls)
    return select(*columns).select_from(named).order_by(*columns[:1], *columns[2:4])


def _avoided(asked: ColumnElement[bool]) -> Select[Any]:
    """One a person, operation, recipient and day (UTC): the same question again spares no second paper. An answer of
    the cache spares one as well. Calls that name nobody count one each."""
    alone = case((journal.c.person == "", journal.c.id), else_="")
    day = cast(journal.c.at, BigInteger) // DAY_S
    about = (journal.c.habilitation, journal.c.operation, journal.c.recipient, journal.c.person, alone, day)
    once = select(*about).where(asked, journal.c.outcome == "found", journal.c.operation != "").distinct().subquery()
    by = (once.c.habilitation, once.c.operation)
    return select(*by, func.count()).group_by(*by)

"""Queries of the journal: who read a citizen's data, and how many calls were made with each habilitation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any, TypeAlias

from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Select, Table, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry.journal.pseudonym_search import LeftOutParts
from bouquet_registry.journal.schema import days, found_people, hours, journal, prefix_of
from bouquet_registry.schema import habilitations

Facts: TypeAlias = dict[str, Any]

HOUR_S = 3600
DAY_S = 24 * HOUR_S
PSEUDONYMS_PER_QUERY = 1000
"""Largest number of pseudonyms in one SQL query."""


async def who_read(connection: AsyncConnection, pseudonyms: Mapping[str, LeftOutParts]) -> list[Facts]:
    """Returns the calls about the person who has these pseudonyms, newest first. `pseudonyms` maps pseudonyms to the
    parts of the identity that they leave out.

    A call's list `named` contains `asked` if the caller asked about the person, and `found` if the answer named the
    person. `left_out` lists the parts of the identity that the caller did not give.
    """
    # `left_out` lists the parts of the identity that the caller left out; because they are missing, the call may have
    # been about a namesake.
    names = list(pseudonyms)
    calls: dict[int, Facts] = {}
    for begin in range(0, len(names), PSEUDONYMS_PER_QUERY):
        some = names[begin : begin + PSEUDONYMS_PER_QUERY]
        for row in await connection.execute(_calls_about(some)):
            _add_call(calls, row._mapping, "asked", pseudonyms[row.person])
        for row in await connection.execute(_calls_that_found(some)):
            for person in pseudonyms.keys() & row.found:
                _add_call(calls, row._mapping, "found", pseudonyms[person])
    return sorted(calls.values(), key=lambda call: call["at"], reverse=True)


def _add_call(calls: dict[int, Facts], row: Mapping[str, Any], named: str, left_out: LeftOutParts) -> None:
    """Adds the call that `row` describes to `calls`, under the record's number. Adds `named` (`asked` or `found`) to
    the call's list `named`. If the call has a list `left_out` already, keeps the shorter one."""
    # Several pseudonyms may match one call, each with its own list of parts left out.
    facts = {name: value for name, value in _facts(row).items() if name not in ("number", "person", "found")}
    known = calls.setdefault(row["number"], facts | {"named": [], "left_out": left_out})
    if named not in known["named"]:
        known["named"].append(named)
    known["left_out"] = min(known["left_out"], left_out, key=len)


async def accesses_of_request(connection: AsyncConnection, id: str) -> list[Facts]:
    """Returns the calls with this id, oldest first. The id is an `X-Request-Id`, which several calls may share, or the
    id of a journal record."""
    is_named = or_(journal.c.request_id == id, journal.c.id == id)
    query = _calls(journal.c.status, journal.c.duration_ms, journal.c.id).where(is_named)
    return [_facts(row._mapping) for row in await connection.execute(query.order_by(journal.c.number))]


INDEXED_FILTERS = ("request_id", "habilitation")
"""Columns of the journal that have an index, the most selective first. A search uses only the first column that has a
value."""
ANSWER_COLUMNS = ("status", "duration_ms")
CALL_COLUMNS = ("recipient", "operation", "outcome", "code", "provider", "cached", "trace_id", "request_id", "purpose")


def _calls(*more: ColumnElement[Any]) -> Select[Any]:
    columns = [journal.c[name] for name in CALL_COLUMNS]
    named = journal.join(habilitations, habilitations.c.id == journal.c.habilitation, isouter=True)
    return select(journal.c.at, journal.c.habilitation, habilitations.c.name, *columns, *more).select_from(named)


MAX_EXAMINED = 10_000
"""Largest number of journal records that the database reads for one page of a search for calls."""


class FoundCalls(Struct, frozen=True):
    """One page of the calls that a search found, newest first. `last` is the time and number of the record after which
    the next page begins, or None on the last page."""

    calls: tuple[Facts, ...]
    last: tuple[float, int] | None


async def calls(
    connection: AsyncConnection,
    *,
    equal: Mapping[str, str],
    since: datetime | None = None,
    until: datetime | None = None,
    after: ColumnElement[bool] | None = None,
    limit: int,
) -> FoundCalls:
    """Returns a page of calls, newest first, at most `limit`. `equal` maps columns to the values that they must have;
    empty values are ignored. `after` is the SQL condition that selects the calls after the previous page, or None for
    the first page.

    A page can have fewer than `limit` calls although more pages follow.
    """
    # For each page, at most `MAX_EXAMINED` records are examined.
    given = {name: value for name, value in equal.items() if value}
    selective = next((name for name in INDEXED_FILTERS if name in given), None)
    examined = _examined({} if selective is None else {selective: given[selective]}, since, until, after).subquery()
    rest = [examined.c[name] == value for name, value in given.items() if name != selective]
    order = (examined.c.at.desc(), examined.c.number.desc())
    named = examined.join(habilitations, habilitations.c.id == examined.c.habilitation, isouter=True)
    query = select(*examined.c, habilitations.c.name).select_from(named).where(*rest).order_by(*order).limit(limit + 1)
    rows = (await connection.execute(query)).mappings().all()
    some = tuple(_facts(dict(row)) for row in rows[:limit])
    if len(rows) > limit:
        return FoundCalls(some, (rows[limit - 1]["at"], rows[limit - 1]["number"]))
    last = select(examined.c.at, examined.c.number).order_by(*order).offset(MAX_EXAMINED - 1).limit(1)
    row = (await connection.execute(last)).one_or_none()
    return FoundCalls(some, None if row is None else (row.at, row.number))


def _examined(
    equal: Mapping[str, str], since: datetime | None, until: datetime | None, after: ColumnElement[bool] | None
) -> Select[Any]:
    """Returns the SQL query of the records that `calls` examines for one page: the newest ones that match, at most
    `MAX_EXAMINED`. `equal` is empty, or maps an indexed column, such as `request_id`, to the value that it must have.
    `after` selects the records after the previous page."""
    conditions = [journal.c[name] == value for name, value in equal.items()]
    conditions += [] if since is None else [journal.c.at >= since.timestamp()]
    conditions += [] if until is None else [journal.c.at < until.timestamp()]
    conditions += [] if after is None else [after]
    newest = (journal.c.at.desc(), journal.c.number.desc())
    columns = [journal.c[name] for name in ("number", "at", "habilitation", "token", *CALL_COLUMNS, *ANSWER_COLUMNS)]
    return select(*columns).where(*conditions).order_by(*newest).limit(MAX_EXAMINED)


def _calls_about(names: Sequence[str]) -> Select[Any]:
    return _calls(journal.c.number, journal.c.person).where(journal.c.person.in_(names))


def _calls_that_found(names: Sequence[str]) -> Select[Any]:
    numbers = select(found_people.c.number).where(found_people.c.prefix.in_(map(prefix_of, names)))
    return _calls(journal.c.number, journal.c.found).where(journal.c.number.in_(numbers))


def _facts(row: Mapping[str, Any]) -> Facts:
    return dict(row) | {"at": datetime.fromtimestamp(row["at"], UTC)}


async def stats(
    connection: AsyncConnection, since: datetime, until: datetime, habilitation: str | None = None
) -> list[Facts]:
    """Returns, for each habilitation, operation and outcome, the number of calls in a period. `justificatifs_evites` is
    the number of supporting documents that citizens did not have to supply thanks to these calls. The period is
    extended to whole hours for calls, and to whole days (UTC) for documents."""
    avoided = {tuple(row[:2]): row[2] for row in await connection.execute(_avoided(since, until, habilitation))}
    return [
        dict(row) | {"justificatifs_evites": avoided.get((row["habilitation"], row["operation"]), 0) * _found(row)}
        for row in (await connection.execute(_counted(since, until, habilitation))).mappings()
    ]


def _found(row: Mapping[str, Any]) -> bool:
    return bool(row["outcome"] == "found")


def _counted(since: datetime, until: datetime, habilitation: str | None) -> Select[Any]:
    by = (hours.c.habilitation, hours.c.operation, hours.c.outcome)
    number = cast(func.sum(hours.c.calls), BigInteger).label("calls")
    calls = select(*by, number).where(*_during(hours, hours.c.hour, HOUR_S, since, until, habilitation)).group_by(*by)
    counted = calls.subquery()
    named = counted.join(habilitations, habilitations.c.id == counted.c.habilitation, isouter=True)
    own = counted.c
    columns = (own.habilitation, habilitations.c.name, own.operation, own.outcome, own.calls)
    return select(*columns).select_from(named).order_by(own.habilitation, own.operation, own.outcome)


def _avoided(since: datetime, until: datetime, habilitation: str | None) -> Select[Any]:
    by = (days.c.habilitation, days.c.operation)
    number = cast(func.sum(days.c.justificatifs_evites), BigInteger)
    return select(*by, number).where(*_during(days, days.c.day, DAY_S, since, until, habilitation)).group_by(*by)


def _during(
    table: Table, column: ColumnElement[int], unit_s: int, since: datetime, until: datetime, habilitation: str | None
) -> list[ColumnElement[bool]]:
    """Returns the SQL conditions that select a period, and a habilitation if given, in a table of hourly or daily
    counts. `column` numbers the hours or days from 1970, and `unit_s` is their length in seconds. Includes hours and
    days that lie only partly in the period."""
    own = [] if habilitation is None else [table.c.habilitation == habilitation]
    return [*own, column >= int(since.timestamp() // unit_s), column < ceil(until.timestamp() / unit_s)]

"""Route that returns numbers of calls by the hour, for a habilitation (right to call operations), a token or a software
editor."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import Any, TypeAlias

from msgspec import Struct
from sqlalchemy import Row

from bouquet_proto.access_record import Outcome
from bouquet_registry.administration import Administration
from bouquet_registry.api.errors import ApiError, Error
from bouquet_registry.api.pages import Number, PageRequest, Time, cursor_of, decode_cursor
from bouquet_registry.api.records import MAX_PERIOD, Id
from bouquet_registry.api.route import ApiRequest, Route
from bouquet_registry.journal import rollups
from bouquet_registry.journal.hourly import Callers, calls_by_hour
from bouquet_registry.journal.rollups import HOUR_S

HourCursor: TypeAlias = tuple[Number]
"""Content of a cursor in the list of hourly numbers: the first hour of the page, as a number of hours since 1970
(UTC)."""


class HourlySearch(PageRequest, frozen=True, kw_only=True):
    """Period and filters of a request for hourly numbers of calls. At least one of `habilitation`, `token` and `editor`
    is required. The period is at most 400 days, and each page covers `limit` hours."""

    since: Time
    until: Time
    habilitation: Id = ""
    token: Id = ""
    editor: Id = ""
    operation: Id = ""


class HourlyCount(Struct, frozen=True, kw_only=True):
    """Number of calls to one operation, with one outcome, in one hour, and their mean duration."""

    hour: datetime
    """Beginning of the hour, in UTC."""
    operation: str
    outcome: Outcome
    calls: int
    mean_duration_ms: float


class HourlyCounts(Struct, frozen=True):
    """Numbers of calls in each hour (UTC), oldest first. Hours without calls are left out."""

    data: tuple[HourlyCount, ...]
    next: str | None
    """Cursor with which the next request gets the following hours; null on the last page."""
    uncounted: int
    """Number of recent calls in the journal that are not counted yet, whatever habilitation, token or editor they
    use."""


async def read(administration: Administration, request: ApiRequest) -> HourlyCounts:
    """Returns the numbers of calls in a period, by hour, operation and outcome. Also records who asked, in an
    administrative act."""
    # The numbers come from the access journal.
    asked: HourlySearch = request.inputs
    callers = Callers(**{name: getattr(asked, name) for name in Callers.__struct_fields__})
    _check(asked, callers)
    first = int(asked.since.timestamp() // HOUR_S)
    if asked.cursor:
        first = max(first, decode_cursor(asked.cursor, HourCursor)[0])
    last = ceil(asked.until.timestamp() / HOUR_S)
    end = min(last, first + asked.limit)
    await administration.record(request.author, "journal stats", asked.habilitation or asked.token or asked.editor)
    async with administration.store.reading() as connection:
        rows = await connection.execute(calls_by_hour(callers, first, end))
        data = tuple(map(_count, rows))
        uncounted = await rollups.uncounted_in(connection)
    return HourlyCounts(data, cursor_of([end]) if end < last else None, uncounted)


def _check(asked: HourlySearch, callers: Callers) -> None:
    errors = []
    if not asked.since <= asked.until <= asked.since + MAX_PERIOD:
        errors.append(Error("invalid", f"must be after `since`, by {MAX_PERIOD.days} days at most", "until"))
    if not any((callers.habilitation, callers.token, callers.editor)):
        errors.append(Error("invalid", "is required without `token` and `editor`", "habilitation"))
    if errors:
        raise ApiError(*errors)


def _count(row: Row[Any]) -> HourlyCount:
    return HourlyCount(
        hour=datetime.fromtimestamp(row.hour * HOUR_S, UTC),
        operation=row.operation,
        outcome=row.outcome,
        calls=row.calls,
        mean_duration_ms=round(row.duration_ms / row.calls, 3),
    )


ROUTES = (
    Route(
        method="GET",
        path="/statistics/hours",
        name="read_hourly_statistics",
        summary="Count the calls of a habilitation, token or editor by the hour.",
        handler=read,
        takes=HourlySearch,
        answers=HourlyCounts,
        is_act=True,
    ),
)
"""The only route of this module, which returns hourly numbers of calls."""

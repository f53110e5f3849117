"""Routes that read records: events (messages) of DataPass, administrative acts, the access journal and its
statistics."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, TypeAlias

from msgspec import Meta, Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_proto.access_record import Outcome
from bouquet_registry import acts, queries, schema
from bouquet_registry.acts import Act
from bouquet_registry.administration import Administration
from bouquet_registry.api.errors import ApiError, Error
from bouquet_registry.api.pages import Number, Order, Page, PageRequest, Time, cursor_of, page_of
from bouquet_registry.api.route import ApiRequest, Route
from bouquet_registry.editors import queries as editors
from bouquet_registry.journal import queries as journal
from bouquet_registry.journal import rollups
from bouquet_registry.journal.schema import journal as journal_table

Id: TypeAlias = Annotated[str, Meta(max_length=255)]

ACTS = Order((schema.acts.c.at, schema.acts.c.id), tuple[Time, str], newest_first=True)
EVENTS = Order((schema.events.c.received_at, schema.events.c.digest), tuple[Time, str], newest_first=True)
JOURNAL = Order((journal_table.c.at, journal_table.c.number), tuple[float, Number], newest_first=True)
MAX_PERIOD = timedelta(days=400)
"""Longest period for which one request may ask for statistics."""


class EventSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for events, the messages that DataPass sent. The search finds the events with the name
    `event`, or all events if `event` is empty. Events that could not be applied are left out."""

    event: Annotated[str, Meta(max_length=64, description="Name of the event, such as `approve`.")] = ""


class ActSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for administrative acts (records of who changed what). The search finds the acts that
    match all given parameters."""

    target: Annotated[Id, Meta(description="Id of a habilitation or token.")] = ""
    author: Annotated[str, Meta(max_length=500)] = ""
    act: Annotated[str, Meta(max_length=64, description="Name of the act, such as `token revoke`.")] = ""


class JournalSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search in the access journal. The search finds the calls that match all given parameters. Times
    are ISO 8601 with a time zone."""

    habilitation: Id = ""
    token: Id = ""
    operation: Id = ""
    outcome: Outcome | None = None
    request_id: Annotated[Id, Meta(description="`X-Request-Id` of the call.")] = ""
    since: Time | None = None
    until: Time | None = None


class StatisticsRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a request for statistics: a habilitation, and the period (at most 400 days) in which its calls are
    counted."""

    habilitation: Id
    since: Time
    until: Time


class EventRow(Struct, frozen=True, kw_only=True):
    """Event (message) that DataPass sent, with the answer of the registry."""

    digest: str
    """SHA-256 of the event's body, in hexadecimal, which identifies the event."""
    event: str
    received_at: datetime
    answer: dict[str, str]
    """Answer that the registry gave to DataPass: `{"token_id": …}` with the id of the habilitation's token, or an empty
    object."""


class CallRow(Struct, frozen=True, kw_only=True):
    """Call to a gateway, as recorded in the access journal, without the person whom the call was about."""

    at: datetime
    habilitation: str
    name: str | None
    """Name of the administration that holds the habilitation; null if the registry does not know the habilitation."""
    token: str
    recipient: str
    operation: str
    outcome: Outcome
    status: int
    code: str
    provider: str
    cached: bool
    duration_ms: float
    trace_id: str
    request_id: str
    purpose: str
    """Purpose of the call in the caller's own words; empty unless the call was made through the Model Context
    Protocol."""


class CallCount(Struct, frozen=True, kw_only=True):
    """Number of calls that have the same habilitation, operation and outcome."""

    habilitation: str
    name: str | None
    """Name of the administration that holds the habilitation; null if the registry does not know the habilitation."""
    operation: str
    outcome: Outcome
    calls: int
    justificatifs_evites: int
    """Number of supporting documents that citizens did not have to supply, thanks to these calls."""


class Statistics(Struct, frozen=True):
    """Numbers of calls in a period, and of supporting documents that citizens did not have to supply. The period is
    extended to whole hours for calls, and to whole days (UTC) for documents."""

    data: tuple[CallCount, ...]
    uncounted: int
    """Number of the journal's latest calls, of all habilitations, that are not counted yet."""


async def list_events(administration: Administration, request: ApiRequest) -> Page[EventRow]:
    """Returns the events (messages) that DataPass sent, newest first. Events that could not be applied are left out.
    With the parameter `event`, returns only events with this name."""
    asked: EventSearch = request.inputs
    query = select(schema.events)
    if asked.event:
        query = query.where(schema.events.c.event == asked.event)
    async with administration.store.reading() as connection:
        return await page_of(connection, query, EVENTS, asked, lambda row: queries.record_of(row, EventRow))


async def list_acts(administration: Administration, request: ApiRequest) -> Page[Act]:
    """Returns the administrative acts (who did what) that match a search, newest first."""
    asked: ActSearch = request.inputs
    query = select(schema.acts)
    for name in ("target", "author", "act"):
        if value := getattr(asked, name):
            query = query.where(schema.acts.c[name] == value)
    async with administration.store.reading() as connection:
        return await page_of(connection, query, ACTS, asked, acts.read)


async def list_calls(administration: Administration, request: ApiRequest) -> Page[CallRow]:
    """Returns the calls in the journal that match a search, newest first, and records who has read the journal. A page
    can have fewer calls than requested, or none, although more pages follow."""
    # For each page, at most `journal.MAX_EXAMINED` records are examined.
    asked: JournalSearch = request.inputs
    after = JOURNAL.after(asked.cursor)
    await administration.record(request.author, "journal read", asked.habilitation or asked.token)
    async with administration.store.reading() as connection:
        found = await journal.calls(
            connection,
            equal={
                "habilitation": asked.habilitation or await _habilitation_of(connection, asked.token),
                "token": asked.token,
                "operation": asked.operation,
                "outcome": asked.outcome or "",
                "request_id": asked.request_id,
            },
            since=asked.since,
            until=asked.until,
            after=after,
            limit=asked.limit,
        )
    rows = tuple(queries.record_of(row, CallRow) for row in found.calls)
    return Page(rows, cursor_of(found.last) if found.last else None)


async def _habilitation_of(connection: AsyncConnection, token: str) -> str:
    """Returns the id of the habilitation of the token with the id `token`. Returns "" for an empty id or an editor's
    token. Raises `UnknownRecord` if no token has this id."""
    # An editor's token may be used with many habilitations.
    if not token or await editors.is_editor_token(connection, token):
        return ""
    return (await queries.token(connection, token)).habilitation


async def statistics(administration: Administration, request: ApiRequest) -> Statistics:
    """Returns the numbers of calls with one habilitation in a period, for each operation and outcome. Also records who
    asked, in an administrative act."""
    # The numbers come from the access journal.
    asked: StatisticsRequest = request.inputs
    if not timedelta(0) <= asked.until - asked.since <= MAX_PERIOD:
        raise ApiError(Error("invalid", f"must be after `since`, by {MAX_PERIOD.days} days at most", "until"))
    await administration.record(request.author, "journal stats", asked.habilitation)
    async with administration.store.reading() as connection:
        counted = await journal.stats(connection, asked.since, asked.until, asked.habilitation)
        uncounted = await rollups.uncounted_in(connection)
    return Statistics(tuple(queries.record_of(row, CallCount) for row in counted), uncounted)


_ROWS: tuple[tuple[str, str, str, Any, type[Struct], Any, bool], ...] = (
    (
        "/datapass-events",
        "list_datapass_events",
        "List the events of DataPass, newest first.",
        list_events,
        EventSearch,
        Page[EventRow],
        False,
    ),
    ("/acts", "list_acts", "List administrative acts, newest first.", list_acts, ActSearch, Page[Act], False),
    (
        "/journal",
        "read_journal",
        "List calls to gateways, newest first.",
        list_calls,
        JournalSearch,
        Page[CallRow],
        True,
    ),
    ("/statistics", "read_statistics", "Count calls to gateways.", statistics, StatisticsRequest, Statistics, True),
)
ROUTES = tuple(
    Route(
        method="GET",
        path=path,
        name=name,
        summary=summary,
        handler=handler,
        takes=takes,
        answers=answers,
        is_act=is_act,
        refusals=(404,) if is_act else (),
    )
    for path, name, summary, handler, takes, answers, is_act in _ROWS
)
"""Routes that read the events (messages) of DataPass, the administrative acts, the access journal and its
statistics."""

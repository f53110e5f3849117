"""Routes of DataPass's events (messages about habilitations) that could not be applied. Each stays stored until an
operator replays or discards it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from bouquet_registry import acts, queries, schema
from bouquet_registry.administration import Administration
from bouquet_registry.api.pages import Order, Page, PageRequest, Time, page_of
from bouquet_registry.api.route import ApiRequest, Route
from bouquet_registry.datapass import inbox
from bouquet_registry.datapass.inbox import EventAside, EventAsideWithBody, Outcome

ASIDE = Order((schema.events_aside.c.received_at, schema.events_aside.c.digest), tuple[Time, str])
PATH = "/datapass-events/aside"


class EventAsideBody(Struct, frozen=True):
    """Event (message of DataPass) that could not be applied, with its body. The body names people."""

    event: EventAside
    body: str
    """Body that DataPass sent, decoded as UTF-8. Bytes that are not UTF-8 are replaced by U+FFFD."""


class Replay(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a request to apply an event (message of DataPass) that could not be applied on arrival."""

    late: bool = False
    """Whether to apply the event even if a more recent event of the same habilitation was applied before."""


class Replayed(Struct, frozen=True):
    """Result of another attempt to apply an event (message of DataPass) that could not be applied on arrival."""

    outcome: Outcome
    """`obeyed` (the event is applied), `known` (it had been applied before), or `late` (not applied, because a more
    recent event was applied first)."""
    answer: dict[str, str]
    """Outcome of the event: `{"token_id": …}` with the id of the habilitation's token, or an empty object."""
    # DataPass gets the same as the answer to an event that is applied at once.


async def list_aside(administration: Administration, request: ApiRequest) -> Page[EventAside]:
    """Returns the events (messages of DataPass) that could not be applied, oldest first, without their bodies."""
    columns = [schema.events_aside.c[name] for name in EventAside.__struct_fields__]
    async with administration.store.reading() as connection:
        return await page_of(connection, select(*columns), ASIDE, request.inputs, _row)


async def show(administration: Administration, request: ApiRequest) -> EventAsideBody:
    """Returns an event (message of DataPass) that could not be applied, with its body. Finds it by its digest (hash of
    the body) or the digest's beginning. Records who has read the body, since it names people. Raises `UnknownRecord` if
    no event or several events fit."""
    async with administration.store.writing() as connection:
        found = await inbox.event_aside(connection, request.id)
        await acts.record(connection, request.author, "datapass-event show", found.digest, administration.clock())
    return EventAsideBody(_shown(found), found.body.decode(errors="replace"))


async def replay(administration: Administration, request: ApiRequest) -> Replayed:
    """Tries again to apply an event (message of DataPass) that could not be applied on arrival. Finds it by its digest
    (hash of the body) or the digest's beginning. If a more recent event was applied meanwhile, applies the event only
    if the request sets `Replay.late`. Raises `UnknownRecord` if no event or several events fit, and `RefusalError` if
    the event still cannot be applied."""
    async with administration.store.reading() as connection:
        found = await inbox.event_aside(connection, request.id)
    answer, outcome = await inbox.replay(
        administration.store, found, administration.clock, request.author, late=request.inputs.late
    )
    return Replayed(outcome, answer)


async def discard(administration: Administration, request: ApiRequest) -> EventAside:
    """Deletes an event (message of DataPass) that could not be applied, and returns it without its body. Finds it by
    its digest (hash of the body) or the digest's beginning. Raises `UnknownRecord` if no event or several events
    fit."""
    async with administration.store.reading() as connection:
        found = await inbox.event_aside(connection, request.id)
    await inbox.discard(administration.store, found.digest, administration.clock, request.author)
    return _shown(found)


def _row(row: Mapping[Any, Any]) -> EventAside:
    return queries.record_of(row, EventAside)


def _shown(found: EventAsideWithBody) -> EventAside:
    return EventAside(**{name: getattr(found, name) for name in EventAside.__struct_fields__})


ROUTES = (
    Route(
        method="GET",
        path=PATH,
        name="list_events_aside",
        summary="List the events of DataPass that could not be applied, oldest first, with the reason.",
        handler=list_aside,
        takes=PageRequest,
        answers=Page[EventAside],
    ),
    Route(
        method="POST",
        path=f"{PATH}/{{id}}/body",
        name="show_event_aside",
        summary="Get an event that was set aside with its body, which names people.",
        handler=show,
        answers=EventAsideBody,
        is_act=True,
        refusals=(404,),
    ),
    Route(
        method="POST",
        path=f"{PATH}/{{id}}/replay",
        name="replay_event_aside",
        summary="Apply an event that was set aside, once its cause is mended.",
        handler=replay,
        takes=Replay,
        answers=Replayed,
        is_act=True,
        refusals=(404, 409),
    ),
    Route(
        method="POST",
        path=f"{PATH}/{{id}}/discard",
        name="discard_event_aside",
        summary="Delete an event that was set aside.",
        handler=discard,
        answers=EventAside,
        is_act=True,
        refusals=(404,),
    ),
)
"""Routes of the events (messages of DataPass) that could not be applied. A path names an event by its digest (hash of
the body), or by the digest's beginning."""

"""Routes of events set aside: messages of DataPass, the State's service for requesting habilitations, that could not be
applied. Such an event is stored until an operator replays or discards it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from bouquet_registry import acts, queries, schema
from bouquet_registry.administration import Administration
from bouquet_registry.api.pages import Order, Page, PageRequest, Time, page_of
from bouquet_registry.api.route import Call, Route
from bouquet_registry.datapass import inbox
from bouquet_registry.datapass.inbox import EventAside, EventAsideWithBody, Outcome

ASIDE = Order((schema.events_aside.c.received_at, schema.events_aside.c.digest), tuple[Time, str])
PATH = "/datapass-events/aside"


class EventAsideBody(Struct, frozen=True):
    """Event (message of DataPass) that was set aside because it could not be applied, with its body, which names
    people."""

    event: EventAside
    body: str
    """Body that DataPass sent, decoded as UTF-8. Bytes that are not UTF-8 are replaced by U+FFFD."""


class Replay(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a request to replay an event, that is, to apply an event that could not be applied when it arrived."""

    late: bool = False
    """Whether to apply the event even if a more recent event of its habilitation was applied before. If false, such an
    event is not applied, and remains stored."""


class Replayed(Struct, frozen=True):
    """Outcome of replaying an event, that is, of applying a message of DataPass that could not be applied when it
    arrived."""

    outcome: Outcome
    """Result of the replay: `obeyed` if the event was applied, `known` if it had been applied before, or `late` if it
    was not applied because a more recent event was applied before."""
    answer: dict[str, str]
    """Answer that DataPass would get: the id of the habilitation's token in the member `token_id`, or an empty
    object."""


async def list_aside(own: Administration, call: Call) -> Page[EventAside]:
    """Returns the events (messages of DataPass) that could not be applied, oldest first, without their bodies."""
    columns = [schema.events_aside.c[name] for name in EventAside.__struct_fields__]
    async with own.store.reading() as connection:
        return await page_of(connection, select(*columns), ASIDE, call.given, _row)


async def show(own: Administration, call: Call) -> EventAsideBody:
    """Returns an event of DataPass that could not be applied, with its body, and records an administrative act, since
    the body names people. The id in the path is the event's digest (hash of the body) or the beginning of the digest;
    raises `Unknown` if this id fits no stored event, or several."""
    async with own.store.writing() as connection:
        found = await inbox.event_aside(connection, call.id)
        await acts.record(connection, call.author, "datapass-event show", found.digest, own.clock())
    return EventAsideBody(_shown(found), found.body.decode(errors="replace"))


async def replay(own: Administration, call: Call) -> Replayed:
    """Applies an event of DataPass that could not be applied when it arrived. The id in the path is the event's digest
    (hash of the body) or the beginning of the digest; raises `Unknown` if this id fits no stored event, or several.
    Raises `Refused` if the event still cannot be applied."""
    async with own.store.reading() as connection:
        found = await inbox.event_aside(connection, call.id)
    answer, outcome = await inbox.replay(own.store, found, own.clock, call.author, late=call.given.late)
    return Replayed(outcome, answer)


async def discard(own: Administration, call: Call) -> EventAside:
    """Deletes an event of DataPass that could not be applied, and returns it without its body. The id in the path is
    the event's digest (hash of the body) or the beginning of the digest; raises `Unknown` if this id fits no stored
    event, or several."""
    async with own.store.reading() as connection:
        found = await inbox.event_aside(connection, call.id)
    await inbox.discard(own.store, found.digest, own.clock, call.author)
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
"""Routes of the events (messages of DataPass) that could not be applied. In a path, the id of an event is its digest
(hash of the body), or the beginning of its digest."""

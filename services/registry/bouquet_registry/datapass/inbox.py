"""Events (messages about habilitations) received from DataPass. Each event is applied once. An event that cannot be
applied is stored for an operator."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Literal, TypeAlias

from msgspec import Struct
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import acts, schema, transactions
from bouquet_registry.acts import Author
from bouquet_registry.clock import Clock
from bouquet_registry.datapass import effects, formats
from bouquet_registry.datapass.effects import Answer
from bouquet_registry.datapass.formats import DatapassEvent, Dialect
from bouquet_registry.queries import record_of
from bouquet_registry.refusals import UnknownRecord
from bouquet_registry.store import Store

Outcome: TypeAlias = Literal["obeyed", "known", "late"]
"""Outcome of an event: `obeyed` (applied now), `known` (applied before), or `late` (not applied, because a more recent
event was applied first)."""

MAX_EVENT = 64
"""Largest length of an event's name in the database, in characters. Longer names are cut off."""


class ReceivedEvent(Struct, frozen=True):
    """Message (webhook) that DataPass signed: its format, its body and the time of its arrival."""

    dialect: Dialect
    body: bytes
    received_at: datetime

    @property
    def digest(self) -> str:
        """SHA-256 of the body, in hexadecimal, which identifies the event."""
        # The format is left out, so that a body that was sent once has no effect when it comes by the other path.
        return sha256(self.body).hexdigest()


class EventAside(Struct, frozen=True, kw_only=True):
    """Event (message of DataPass) that could not be applied, and is stored for an operator. The body, which names
    people, is left out."""

    digest: str
    """SHA-256 of the event's body, in hexadecimal, which identifies the event."""
    dialect: Dialect
    received_at: datetime
    reason: str
    """Reason why the event could not be applied. The text quotes no value from the event's body."""


class EventAsideWithBody(EventAside, frozen=True, kw_only=True):
    """Event (message of DataPass) that could not be applied, with its body. The body names people."""

    body: bytes

    @property
    def received(self) -> ReceivedEvent:
        return ReceivedEvent(self.dialect, self.body, self.received_at)


async def apply_once(
    store: Store,
    received: ReceivedEvent,
    event: DatapassEvent,
    clock: Clock,
    *,
    author: Author | None = None,
    late: bool = False,
) -> tuple[Answer, Outcome]:
    """Applies `event`, the parsed body of `received`, and returns the answer to DataPass and the outcome. An event that
    was applied before has no effect, and gets the stored answer.

    `author` is the operator who tries again to apply a stored event, or None for an event that has just arrived. If a
    more recent event was applied before, `event` is applied only if `late` is true. Raises `RefusalError` if the event
    cannot be applied, and `UnknownRecord` if the stored event was deleted meanwhile.
    """
    digest = received.digest
    async with transactions.begin(store, author or Author("DataPass", event.event), clock) as transaction:
        connection = transaction.connection
        known = await connection.scalar(select(schema.events.c.answer).where(schema.events.c.digest == digest))
        if known is not None:
            # Two deliveries at once may have applied the event and set it aside.
            await connection.execute(delete(schema.events_aside).where(schema.events_aside.c.digest == digest))
            return known, "known"
        if author is not None:
            await event_aside(connection, digest)  # somebody may have discarded it meanwhile
        answer = await effects.apply(transaction, event, late=late)
        if answer is None and author is not None:
            return {}, "late"  # stays aside, for the operator to decide
        row = {
            "digest": digest,
            "event": event.event[:MAX_EVENT],
            "received_at": received.received_at,
            "answer": answer or {},
        }
        await connection.execute(insert(schema.events).values(row))
        await connection.execute(delete(schema.events_aside).where(schema.events_aside.c.digest == digest))
        return answer or {}, "late" if answer is None else "obeyed"


async def set_aside(store: Store, received: ReceivedEvent, reason: str) -> None:
    """Stores an event (message of DataPass) that cannot be applied, with the reason, for an operator. An event that is
    stored already stays as it is."""
    row = {
        "digest": received.digest,
        "dialect": received.dialect,
        "received_at": received.received_at,
        "reason": reason,
        "body": received.body,
    }
    try:
        async with store.writing() as connection:
            await connection.execute(insert(schema.events_aside).values(row))
    except IntegrityError:
        return  # DataPass has sent it before


async def replay(
    store: Store, aside: EventAsideWithBody, clock: Clock, author: Author, *, late: bool = False
) -> tuple[Answer, Outcome]:
    """Tries again to apply the stored event `aside` of DataPass, and returns the answer to DataPass and the outcome. If
    a more recent event was applied meanwhile, `aside` is applied only if `late` is true. Raises `RefusalError`, and
    keeps the event stored, if it still cannot be applied."""
    event = formats.read(aside.dialect, aside.body)
    return await apply_once(store, aside.received, event, clock, author=author, late=late)


async def discard(store: Store, digest: str, clock: Clock, author: Author) -> None:
    """Deletes an event (message of DataPass) that could not be applied, and records who did so. `digest` is the event's
    digest (hash of the body) or its beginning. Raises `UnknownRecord` if no event or several events fit."""
    async with store.writing() as connection:
        found = await event_aside(connection, digest)
        own = schema.events_aside.c.digest == found.digest
        if not (await connection.execute(delete(schema.events_aside).where(own))).rowcount:
            raise UnknownRecord("this event of DataPass is no longer aside")
        await acts.record(connection, author, "datapass-event discard", found.digest, clock())


async def events_aside(connection: AsyncConnection) -> list[EventAside]:
    """Returns the events (messages of DataPass) that could not be applied, oldest first, without their bodies."""
    own = schema.events_aside.c
    query = select(*(own[name] for name in EventAside.__struct_fields__)).order_by(own.received_at, own.digest)
    return [record_of(row, EventAside) for row in (await connection.execute(query)).mappings()]


async def event_aside(connection: AsyncConnection, digest: str) -> EventAsideWithBody:
    """Returns an event (message of DataPass) that could not be applied. `digest` is the event's digest (hash of the
    body) or its beginning. Raises `UnknownRecord` if no event or several events fit."""
    own = schema.events_aside.c.digest
    query = select(schema.events_aside).where(own.startswith(digest, autoescape=True)).limit(2)
    rows = (await connection.execute(query)).mappings().all()
    if len(rows) != 1 or not digest:
        raise UnknownRecord(
            f"{'several' if rows else 'no'} events of DataPass that are aside have digests that begin so"
        )
    return record_of(rows[0], EventAsideWithBody)


async def count_aside(connection: AsyncConnection) -> int:
    """Returns the number of stored events (messages of DataPass) that could not be applied."""
    return await connection.scalar(select(func.count()).select_from(schema.events_aside)) or 0

"""Answers to gateways that ask whether the access journal still has the record of a call."""
# Gateways ask this when they verify a proof: an encrypted text by which anyone can verify later what an answer said.

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from msgspec import Raw
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_mesh.bus.api import Bus
from bouquet_proto.journal_messages import PROVIDER, EntryState, JournalEntry
from bouquet_proto.messages import Failed, FindEntry, Found, Reply, Request, encode
from bouquet_registry.journal.queries import HOUR_S
from bouquet_registry.journal.schema import journal, pruned_hours
from bouquet_registry.proofs.administration import RECORD_ID
from bouquet_registry.store import Store

log = logging.getLogger(__name__)

CONCURRENCY = 4
"""Largest number of requests about journal records, sent by gateways, that are answered at the same time."""
# The limit leaves enough of the database's capacity for the journal's writer.
DRAIN_S = 2.0
TIME_DIGITS = 12
"""Number of leading hexadecimal digits of a record's id that give its time, in milliseconds since 1970."""


@asynccontextmanager
async def answering_about_entries(bus: Bus, store: Store) -> AsyncIterator[None]:
    """Answers gateways that ask whether a journal record is kept, pruned (removed) or absent, until the context
    ends."""
    async with bus.serve(PROVIDER, partial(answer, store), concurrency=CONCURRENCY, drain_s=DRAIN_S):
        yield


async def answer(store: Store, request: Request) -> Reply:
    """Answers a gateway that asks whether a journal record is kept, pruned (removed) or absent. The answer is the
    failure `registry_unavailable` if the database cannot be reached, and `malformed_request` for another kind of
    request."""
    if not isinstance(request, FindEntry):
        return Failed("malformed_request")
    try:
        async with store.reading() as connection:
            return Found(Raw(encode(JournalEntry(state=await state_of(connection, request.record)))))
    except (SQLAlchemyError, OSError) as error:
        log.error("database unavailable", extra={"error": type(error).__name__})
        return Failed("registry_unavailable")


async def state_of(connection: AsyncConnection, record: str) -> EntryState:
    """Returns whether the journal has the record with this id (`kept`), has removed it (`pruned`) or never had it
    (`absent`). A missing record counts as pruned if the journal has removed records of the same hour."""
    # The id begins with the record's time.
    if not RECORD_ID.fullmatch(record):
        return "absent"
    if await connection.scalar(select(journal.c.number).where(journal.c.id == record)) is not None:
        return "kept"
    hour = int(record[:TIME_DIGITS], 16) // (1000 * HOUR_S)
    of_hour = select(pruned_hours.c.hour).where(pruned_hours.c.hour == hour)
    return "absent" if await connection.scalar(of_hour) is None else "pruned"

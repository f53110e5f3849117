"""How many tokens in use are near their end: those whose holders no notice has made renew them yet."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from bouquet_registry import desk, metrics, schema
from bouquet_registry.desk import Clock
from bouquet_registry.store import Store

log = logging.getLogger(__name__)

DAYS = (7, 14, 30)
IN_USE = timedelta(days=30)
"""A token that nobody has used for so long is missed by nobody."""
EVERY_S = 10.0


async def keep_counting(store: Store, clock: Clock) -> None:
    """Never ends by itself."""
    while True:
        try:
            await count(store, clock())
        except (SQLAlchemyError, OSError) as error:
            log.warning("expiring tokens not counted", extra={"error": type(error).__name__})
        await asyncio.sleep(EVERY_S)


async def count(store: Store, now: datetime) -> None:
    tokens = schema.tokens.c
    query = (
        select(tokens.expires_at)
        .select_from(schema.tokens.join(schema.habilitations))
        .where(
            tokens.expires_at.between(*desk.within(now, max(DAYS))),
            tokens.last_used_at > now - IN_USE,
            desk.in_force(now),
        )
    )
    async with store.reading() as connection:
        ends = list(await connection.scalars(query))
    for days in DAYS:
        metrics.TOKENS_EXPIRING.labels(days).set(sum(end <= now + timedelta(days=days) for end in ends))

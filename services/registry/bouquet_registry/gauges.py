"""Metrics that count habilitations, tokens, and events (messages of DataPass) that could not be applied, for dashboards
and alerts."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import metrics, queries, schema
from bouquet_registry.clock import Clock
from bouquet_registry.datapass.inbox import count_aside
from bouquet_registry.editors import queries as editor_queries
from bouquet_registry.store import Store

log = logging.getLogger(__name__)

COUNT_INTERVAL_S = 10.0
"""Seconds between two counts of habilitations, tokens, and events (messages of DataPass) that could not be applied."""
WITHIN_DAYS = (7, 14, 30)
"""Values of the label `within_days` of the metric of expiring tokens."""
IN_USE = timedelta(days=30)
"""A token counts as in use for this time after its last use. Only tokens in use are counted as expiring."""
MAX_NAMES = 500
"""Largest number of habilitations whose names appear in the metrics: the most recently changed ones."""


async def count_periodically(store: Store, clock: Clock) -> None:
    """Sets the metrics that count habilitations, tokens, and unapplied events of DataPass, every `COUNT_INTERVAL_S`
    seconds until cancelled. If the database is unavailable, logs this and tries again after the same time."""
    while True:
        try:
            await count(store, clock())
        except (SQLAlchemyError, OSError) as error:
            log.warning("habilitations and tokens not counted", extra={"error": type(error).__name__})
        await asyncio.sleep(COUNT_INTERVAL_S)


async def count(store: Store, now: datetime) -> None:
    async with store.reading() as connection:
        await _count_habilitations(connection)
        await _count_tokens(connection, now)
        await _count_expiring(connection, now)
        metrics.EVENTS_ASIDE.set(await count_aside(connection))


async def _count_habilitations(connection: AsyncConnection) -> None:
    known = schema.habilitations.c
    newest = select(known.id, known.name).order_by(known.updated_at.desc()).limit(MAX_NAMES)
    by_state = await connection.execute(select(known.state, func.count()).group_by(known.state))
    named = await connection.execute(newest)
    # Without a wait from here on, so that no scrape sees half of the values.
    metrics.HABILITATIONS.clear()
    for state, number in by_state:
        metrics.HABILITATIONS.labels(state).set(number)
    metrics.HABILITATION_INFO.clear()
    for id_, name in named:
        metrics.HABILITATION_INFO.labels(id_, name).set(1)


async def _count_tokens(connection: AsyncConnection, now: datetime) -> None:
    joined = schema.tokens.join(schema.habilitations)
    good = select(func.count()).select_from(joined).where(schema.tokens.c.expires_at > now, queries.in_force(now))
    own = schema.editor_tokens.c
    of_editors = (
        select(func.count())
        .select_from(schema.editor_tokens.join(schema.editors))
        .where(own.expires_at > now, editor_queries.in_force(now))
    )
    metrics.TOKENS.set((await connection.scalar(good) or 0) + (await connection.scalar(of_editors) or 0))


async def _count_expiring(connection: AsyncConnection, now: datetime) -> None:
    """Sets the metric of expiring tokens: how many of the tokens used in the last 30 days expire within 7, 14 and 30
    days."""
    tokens = schema.tokens.c
    query = (
        select(tokens.expires_at)
        .select_from(schema.tokens.join(schema.habilitations))
        .where(
            tokens.expires_at.between(*queries.within(now, max(WITHIN_DAYS))),
            tokens.last_used_at > now - IN_USE,
            queries.in_force(now),
        )
    )
    own = schema.editor_tokens.c
    of_editors = (
        select(own.expires_at)
        .select_from(schema.editor_tokens.join(schema.editors))
        .where(
            own.expires_at.between(*queries.within(now, max(WITHIN_DAYS))),
            own.last_used_at > now - IN_USE,
            editor_queries.in_force(now),
        )
    )
    ends = [*await connection.scalars(query), *await connection.scalars(of_editors)]
    for days in WITHIN_DAYS:
        metrics.TOKENS_EXPIRING.labels(days).set(sum(end <= now + timedelta(days=days) for end in ends))

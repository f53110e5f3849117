"""Notices before a token expires. Each is created in the database, claimed by one process, sent, then marked as
sent."""
# After a crash between sending and marking, the notice is sent again under the same id.

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from itertools import product

from msgspec import Struct
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import metrics, queries, schema, transactions
from bouquet_registry.acts import Author
from bouquet_registry.clock import Clock
from bouquet_registry.habilitations import Habilitation, Token
from bouquet_registry.store import Store
from bouquet_registry.transactions import Transaction

log = logging.getLogger(__name__)

THRESHOLDS = (90, 60, 30, 14, 7, 0)
"""Days before a token's expiry at which a notice is due (docs/reference/contract.md §7)."""
OUTCOMES = ("sent", "undelivered")
"""Possible outcomes of sending a notice, as a metric labels them."""
CLAIM = timedelta(minutes=10)
"""Time that a process has to send a notice that it has claimed. If it has not sent the notice by then, another process
may claim it."""


class Notice(Struct, frozen=True, kw_only=True):
    id: str
    """Id of the notice. It stays the same if the notice is sent again."""
    days: int
    """Threshold for which the notice is sent, in days before the token's expiry."""
    days_left: int
    token: Token
    habilitation: Habilitation


class DeliveryError(Exception):
    """Error for a notice that was not delivered. It contains no address."""


class NoticeChannel:
    """Base class of the channels that send notices, such as mail."""

    async def give(self, notice: Notice) -> None:
        """Sends a notice. Raises `DeliveryError` if it cannot be delivered."""


async def send_notices_periodically(store: Store, channel: NoticeChannel, every_s: float, clock: Clock) -> None:
    """Sends due notices every `every_s` seconds until cancelled. If the database is unavailable, logs this and tries
    again later."""
    for days, outcome in product(THRESHOLDS, OUTCOMES):
        metrics.NOTICES.labels(days, outcome)  # from 0 on, so that a rate sees the first one
    while True:
        try:
            await send_due_notices(store, channel, clock)
        except (SQLAlchemyError, OSError) as error:
            log.warning("notices delayed", extra={"error": type(error).__name__})
        await asyncio.sleep(every_s)


async def send_due_notices(store: Store, channel: NoticeChannel, clock: Clock) -> None:
    """Creates the notices that are due, and sends all unsent ones."""
    async with transactions.begin(store, Author("bouquet-registry"), clock) as transaction:
        await _create_due_notices(transaction)
    while notice := await _claim(store, clock()):
        try:
            await channel.give(notice)
        except DeliveryError as error:
            log.warning("notice not delivered", extra={"notice": notice.id, "why": str(error)})
            metrics.NOTICES.labels(notice.days, "undelivered").inc()
        else:
            await _mark_sent(store, notice, clock())
            metrics.NOTICES.labels(notice.days, "sent").inc()


def reached_threshold(left: timedelta) -> int | None:
    """Returns the smallest threshold, in days before expiry, that a token with the remaining validity `left` has
    reached. Returns None if the token has reached none yet, or has expired."""
    if left < timedelta(0):
        return None
    return min((days for days in THRESHOLDS if left.days <= days), default=None)


async def _create_due_notices(transaction: Transaction) -> None:
    """Creates the notices that are due. A new notice replaces older unsent ones of the same token."""
    notices = schema.notices.c
    for token in await queries.tokens(
        transaction.connection, between=queries.within(transaction.now, THRESHOLDS[0] + 1)
    ):
        days = reached_threshold(token.expires_at - transaction.now)
        own = (notices.token == token.id) & (notices.expires_at == token.expires_at) & (notices.days == days)
        if days is None or await transaction.connection.scalar(select(notices.days).where(own)) is not None:
            continue
        stale = (notices.token == token.id) & notices.sent_at.is_(None)
        await transaction.connection.execute(delete(schema.notices).where(stale))
        row = {"token": token.id, "expires_at": token.expires_at, "days": days, "due_at": transaction.now}
        await transaction.connection.execute(insert(schema.notices).values(row))


async def _claim(store: Store, now: datetime) -> Notice | None:
    """Reserves an unsent notice for this process, and returns it. Returns None if there is no notice to send."""
    # Leaves out a notice if, since its creation, the token has been prolonged, has expired, or is refused.
    notices, tokens = schema.notices.c, schema.tokens.c
    free = notices.sent_at.is_(None) & (notices.claimed_until.is_(None) | (notices.claimed_until <= now))
    timely = (tokens.expires_at == notices.expires_at) & (tokens.expires_at >= now) & queries.in_force(now)
    joined = schema.notices.join(schema.tokens).join(schema.habilitations)
    due = select(notices.token, notices.expires_at, notices.days).select_from(joined).where(free, timely).limit(1)
    async with store.writing() as connection:
        while row := (await connection.execute(due)).one_or_none():
            own = (notices.token == row.token) & (notices.expires_at == row.expires_at) & (notices.days == row.days)
            claimed = await connection.execute(
                update(schema.notices).where(own, free).values(claimed_until=now + CLAIM)
            )
            if claimed.rowcount:
                return await _notice(connection, row.token, row.days, now)
    return None


async def _notice(connection: AsyncConnection, token_id: str, days: int, now: datetime) -> Notice:
    token = await queries.token(connection, token_id)
    return Notice(
        id=f"{token.id}.{token.expires_at:%Y%m%d}.{days}",
        days=days,
        days_left=(token.expires_at - now).days,
        token=token,
        habilitation=await queries.habilitation(connection, token.habilitation),
    )


async def _mark_sent(store: Store, notice: Notice, now: datetime) -> None:
    notices = schema.notices.c
    own = (notices.token == notice.token.id) & (notices.expires_at == notice.token.expires_at)
    async with store.writing() as connection:
        await connection.execute(update(schema.notices).where(own, notices.days == notice.days).values(sent_at=now))

"""Notices, which warn by mail or webhook that a token will soon expire. A notice is created in the database, claimed by
one process, sent, then marked as sent."""
# After a crash between sending and marking, the notice is sent again under the same id.

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import product

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import metrics, queries, schema, transactions
from bouquet_registry.acts import Author
from bouquet_registry.clock import Clock
from bouquet_registry.editors import queries as editor_queries
from bouquet_registry.editors.records import Editor, EditorToken
from bouquet_registry.habilitations import Habilitation, Token
from bouquet_registry.store import Store
from bouquet_registry.transactions import Transaction

log = logging.getLogger(__name__)

THRESHOLDS = (90, 60, 30, 14, 7, 0)
"""Days before a token's expiry at which a notice is due (docs/reference/contract.md §7)."""
OUTCOMES = ("sent", "undelivered")
"""Outcomes of sending a notice (warning before a token expires)."""
CLAIM_DURATION = timedelta(minutes=10)
"""Time for which only the process that claimed a notice (warning before a token expires) may send it."""


class Notice(Struct, frozen=True, kw_only=True):
    """Warning that a token of a habilitation or of an editor will soon expire."""

    id: str
    """Id of the notice, which stays the same if the notice is sent again."""
    days: int
    """Number of days before the token's expiry at which the notice is due, one of `THRESHOLDS`."""
    days_left: int
    token: Token | EditorToken
    owner: Habilitation | Editor

    @property
    def recipients(self) -> tuple[str, ...]:
        """Mail addresses of the habilitation's contacts or of the editor's members, sorted."""
        match self.owner:
            case Habilitation(contacts=contacts):
                return tuple(sorted({contact.email for contact in contacts}))
            case Editor(members=members):
                return tuple(sorted(set(members)))


class _TokenKind(Struct, frozen=True):
    """Tables and queries for the notices (warnings before expiry) about one kind of tokens: tokens of habilitations or
    of editors."""

    notices: Table
    tokens: Table
    owners: Table
    in_force: Callable[[datetime], ColumnElement[bool]]
    """Function that returns an SQL condition: at a given time, a token is not blacklisted and its owner is not
    archived. Does not check the token's expiry."""
    read: Callable[[AsyncConnection, str], Awaitable[tuple[Token | EditorToken, Habilitation | Editor]]]
    """Function that returns a token and its owner, given the token's id."""


class DeliveryError(Exception):
    """Error for a notice (warning before a token expires) that was not delivered. The message contains no mail
    address."""


class NoticeChannel:
    """Base class of the channels, such as mail, that send notices (warnings before a token expires)."""

    async def deliver(self, notice: Notice) -> None:
        """Sends a notice (a warning before a token expires). Raises `DeliveryError` if the notice cannot be
        delivered."""


async def send_notices_periodically(store: Store, channel: NoticeChannel, every_s: float, clock: Clock) -> None:
    """Sends due notices (warnings before a token expires) every `every_s` seconds until cancelled. If the database is
    unavailable, logs this and tries again later."""
    for days, outcome in product(THRESHOLDS, OUTCOMES):
        metrics.NOTICES.labels(days, outcome)  # from 0 on, so that a rate sees the first one
    while True:
        try:
            await send_due_notices(store, channel, clock)
        except (SQLAlchemyError, OSError) as error:
            log.warning("notices delayed", extra={"error": type(error).__name__})
        await asyncio.sleep(every_s)


async def send_due_notices(store: Store, channel: NoticeChannel, clock: Clock) -> None:
    """Creates the notices (warnings before a token expires) that are due, and sends the unsent ones. A notice that
    cannot be delivered stays unsent."""
    # Leaves out a notice that another process has claimed, or whose token has been prolonged or blacklisted or has
    # expired since.
    async with transactions.begin(store, Author("bouquet-registry"), clock) as transaction:
        for kind in _KINDS:
            await _create_due_notices(transaction, kind)
    for kind in _KINDS:
        while notice := await _claim(store, kind, clock()):
            if await _try_deliver(channel, notice):
                await _mark_sent(store, kind, notice, clock())


async def _try_deliver(channel: NoticeChannel, notice: Notice) -> bool:
    """Sends a notice (a warning before a token expires), and returns whether it was delivered. Logs a failure, and
    counts the outcome in a metric."""
    try:
        await channel.deliver(notice)
    except DeliveryError as error:
        log.warning("notice not delivered", extra={"notice": notice.id, "why": str(error)})
        metrics.NOTICES.labels(notice.days, "undelivered").inc()
        return False
    metrics.NOTICES.labels(notice.days, "sent").inc()
    return True


def reached_threshold(left: timedelta) -> int | None:
    """Returns the threshold, in days before expiry, that a token has reached: 30 with 20 days left. Returns None if it
    has reached no threshold yet, or has expired."""
    if left < timedelta(0):
        return None
    return min((days for days in THRESHOLDS if left.days <= days), default=None)


async def _create_due_notices(transaction: Transaction, kind: _TokenKind) -> None:
    """Creates the notices (warnings before a token expires) that are due, about tokens of habilitations or of editors
    (`kind`). A new notice replaces older unsent ones of the same token."""
    notices, now = kind.notices.c, transaction.now
    expiring = kind.tokens.c.expires_at.between(*queries.within(now, THRESHOLDS[0] + 1))
    joined = kind.tokens.join(kind.owners)
    tokens = select(kind.tokens.c.id, kind.tokens.c.expires_at).select_from(joined).where(expiring, kind.in_force(now))
    for token in (await transaction.connection.execute(tokens)).all():
        days = reached_threshold(token.expires_at - now)
        own = (notices.token == token.id) & (notices.expires_at == token.expires_at) & (notices.days == days)
        if days is None or await transaction.connection.scalar(select(notices.days).where(own)) is not None:
            continue
        stale = (notices.token == token.id) & notices.sent_at.is_(None)
        await transaction.connection.execute(delete(kind.notices).where(stale))
        row = {"token": token.id, "expires_at": token.expires_at, "days": days, "due_at": now}
        await transaction.connection.execute(insert(kind.notices).values(row))


async def _claim(store: Store, kind: _TokenKind, now: datetime) -> Notice | None:
    """Returns an unsent notice (warning before a token expires) about a token of a habilitation or of an editor
    (`kind`). Reserves it for this process for 10 minutes (`CLAIM_DURATION`). Returns None if no notice is to be
    sent."""
    # Leaves out a notice if, since its creation, the token has been prolonged, has expired, or is refused.
    notices, tokens = kind.notices.c, kind.tokens.c
    free = notices.sent_at.is_(None) & (notices.claimed_until.is_(None) | (notices.claimed_until <= now))
    timely = (tokens.expires_at == notices.expires_at) & (tokens.expires_at >= now) & kind.in_force(now)
    joined = kind.notices.join(kind.tokens).join(kind.owners)
    due = select(notices.token, notices.expires_at, notices.days).select_from(joined).where(free, timely).limit(1)
    async with store.writing() as connection:
        while row := (await connection.execute(due)).one_or_none():
            own = (notices.token == row.token) & (notices.expires_at == row.expires_at) & (notices.days == row.days)
            claimed = await connection.execute(
                update(kind.notices).where(own, free).values(claimed_until=now + CLAIM_DURATION)
            )
            if claimed.rowcount:
                return _notice(*await kind.read(connection, row.token), row.days, now)
    return None


def _notice(token: Token | EditorToken, owner: Habilitation | Editor, days: int, now: datetime) -> Notice:
    return Notice(
        id=f"{token.id}.{token.expires_at:%Y%m%d}.{days}",
        days=days,
        days_left=(token.expires_at - now).days,
        token=token,
        owner=owner,
    )


async def _mark_sent(store: Store, kind: _TokenKind, notice: Notice, now: datetime) -> None:
    notices = kind.notices.c
    own = (notices.token == notice.token.id) & (notices.expires_at == notice.token.expires_at)
    async with store.writing() as connection:
        await connection.execute(update(kind.notices).where(own, notices.days == notice.days).values(sent_at=now))


async def _token_and_habilitation(connection: AsyncConnection, id_: str) -> tuple[Token, Habilitation]:
    token = await queries.token(connection, id_)
    return token, await queries.habilitation(connection, token.habilitation)


async def _token_and_editor(connection: AsyncConnection, id_: str) -> tuple[EditorToken, Editor]:
    token = await editor_queries.editor_token(connection, id_)
    return token, await editor_queries.editor(connection, token.editor)


_KINDS = (
    _TokenKind(schema.notices, schema.tokens, schema.habilitations, queries.in_force, _token_and_habilitation),
    _TokenKind(schema.editor_notices, schema.editor_tokens, schema.editors, editor_queries.in_force, _token_and_editor),
)

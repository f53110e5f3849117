"""Answers to gateways: what a token allows, and which tokens have changed since a gateway's last poll
(docs/adr/0008)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_proto.registry_messages import KnownToken, TokenChanges
from bouquet_registry import schema

MAX_TOKENS = 1000
"""Largest number of changed tokens that one answer lists. If more have changed, the answer lists none, and says that
any token may have changed."""
SINCE_EVER = 0.0
"""Time of blacklisting, in epoch seconds, that gateways receive for every token of an archived habilitation. This time
is long past, so gateways refuse the token."""


async def find_token(connection: AsyncConnection, token: str) -> tuple[KnownToken | None, int]:
    """Returns the rights of the token with the id `token`, or None if there is no such token. Also returns the number
    of the last change that the answer takes into account."""
    tokens, habilitations = schema.tokens.c, schema.habilitations.c
    _, as_of = await log_position(connection)
    query = select(
        tokens.expires_at,
        tokens.blacklisted_at,
        habilitations.id,
        habilitations.siret,
        habilitations.scopes,
        habilitations.calls_per_minute,
        habilitations.allowed_ips,
        habilitations.state,
    ).join(schema.habilitations)
    row = (await connection.execute(query.where(tokens.id == token))).one_or_none()
    if row is None:
        return None, as_of
    found = KnownToken(
        siret=row.siret,
        scopes=frozenset(row.scopes),
        expires_at=row.expires_at.timestamp(),
        as_of=as_of,
        habilitation=row.id,
        blacklisted_at=SINCE_EVER if row.state == "archived" else _seconds(row.blacklisted_at),
        calls_per_minute=row.calls_per_minute,
        allowed_ips=tuple(row.allowed_ips),
    )
    return found, as_of


async def changes_since(connection: AsyncConnection, log: str, since: int) -> TokenChanges:
    """Returns the ids of the tokens that changed after change number `since` of the log named `log`.

    In the result, `tokens` is None if the gateway must ask again for every token: more than `MAX_TOKENS` tokens have
    changed, or the database's log has another name or fewer changes than `since`, because the database is a new one or
    a restored backup.
    """
    name, number = await log_position(connection)
    if log != name or since > number:
        return TokenChanges(log=name, cursor=number)
    changed = schema.tokens.c.change > since
    ids = tuple(await connection.scalars(select(schema.tokens.c.id).where(changed).limit(MAX_TOKENS + 1)))
    return TokenChanges(log=name, cursor=number, tokens=None if len(ids) > MAX_TOKENS else ids)


async def log_position(connection: AsyncConnection) -> tuple[str, int]:
    """Returns the name of the log of changes, and the number of the last change in it."""
    row = (await connection.execute(select(schema.log.c.name, schema.log.c.number))).one()
    return row.name, row.number


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()

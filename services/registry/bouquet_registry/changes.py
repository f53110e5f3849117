"""What gateways are told: whose a token is, and which tokens have changed since they last asked (docs/adr/0008)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_proto.registry_messages import KnownToken, TokenChanges
from bouquet_registry import schema

MAX_TOKENS = 1000
SINCE_EVER = 0.0


async def find_token(connection: AsyncConnection, token: str) -> tuple[KnownToken | None, int]:
    """The token, and the last change that this answer knows of: read first, so that it never claims too much."""
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
    name, number = await log_position(connection)
    if log != name or since > number:
        return TokenChanges(log=name, cursor=number)
    changed = schema.tokens.c.change > since
    told = tuple(await connection.scalars(select(schema.tokens.c.id).where(changed).limit(MAX_TOKENS + 1)))
    return TokenChanges(log=name, cursor=number, tokens=None if len(told) > MAX_TOKENS else told)


async def log_position(connection: AsyncConnection) -> tuple[str, int]:
    """The log's name, and where it stands."""
    row = (await connection.execute(select(schema.log.c.name, schema.log.c.number))).one()
    return row.name, row.number


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()

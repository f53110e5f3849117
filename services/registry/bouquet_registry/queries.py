"""Queries of habilitations (rights to call operations), of their tokens, and of sent notices (warnings before a token
expires)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import schema
from bouquet_registry.habilitations import Habilitation, Token
from bouquet_registry.refusals import UnknownRecord

S = TypeVar("S", bound=Struct)

TOKENS = select(schema.tokens, schema.habilitations.c.siret, schema.habilitations.c.name).join(schema.habilitations)


async def habilitation(connection: AsyncConnection, id_: str) -> Habilitation:
    """Returns a habilitation by its id. Raises `UnknownRecord` if no habilitation has this id."""
    return await _one(connection, schema.habilitations.c.id == id_, "no habilitation has this id")


async def habilitation_of_datapass(connection: AsyncConnection, datapass_id: str) -> Habilitation | None:
    """Returns the habilitation whose id in DataPass is `datapass_id`, or None if there is none."""
    try:
        return await _one(connection, schema.habilitations.c.datapass_id == datapass_id, "")
    except UnknownRecord:
        return None


async def habilitations(connection: AsyncConnection, *, archived: bool = False) -> list[Habilitation]:
    """Returns the habilitations, oldest first. Archived ones are included only if `archived` is true."""
    query = select(schema.habilitations).order_by(schema.habilitations.c.created_at, schema.habilitations.c.id)
    if not archived:
        query = query.where(schema.habilitations.c.state != "archived")
    return [record_of(row, Habilitation) for row in (await connection.execute(query)).mappings()]


async def token(connection: AsyncConnection, id_: str) -> Token:
    """Returns a token by its id. Raises `UnknownRecord` if no token of a habilitation has this id."""
    row = (await connection.execute(TOKENS.where(schema.tokens.c.id == id_))).mappings().one_or_none()
    if row is None:
        raise UnknownRecord("no token of a habilitation has this id")
    return record_of(row, Token)


async def tokens(
    connection: AsyncConnection,
    *,
    habilitation: str | None = None,
    expiring: tuple[datetime, datetime] | None = None,
) -> list[Token]:
    """Returns tokens of habilitations, sorted by expiry. With the id `habilitation`, returns only the tokens of this
    habilitation. With `expiring`, a start and an end, returns only tokens that expire in this period and are in force
    at its start."""
    query = TOKENS.order_by(schema.tokens.c.expires_at, schema.tokens.c.id)
    if habilitation is not None:
        query = query.where(schema.tokens.c.habilitation == habilitation)
    if expiring is not None:
        query = query.where(schema.tokens.c.expires_at.between(*expiring), in_force(expiring[0]))
    return [record_of(row, Token) for row in (await connection.execute(query)).mappings()]


def in_force(now: datetime) -> ColumnElement[bool]:
    """Returns the SQL condition that a token is not blacklisted at `now`, and that its habilitation is not archived.
    Does not check the token's expiry."""
    blacklisted_at = schema.tokens.c.blacklisted_at
    return (blacklisted_at.is_(None) | (blacklisted_at > now)) & (schema.habilitations.c.state != "archived")


async def notices_of(connection: AsyncConnection, token: Token) -> list[int]:
    """Returns the warnings sent before a token's current expiry, the largest first: 30 means 30 days before."""
    own = (schema.notices.c.token == token.id) & (schema.notices.c.expires_at == token.expires_at)
    sent = select(schema.notices.c.days).where(own, schema.notices.c.sent_at.is_not(None))
    return list(await connection.scalars(sent.order_by(schema.notices.c.days.desc())))


def within(now: datetime, days: int) -> tuple[datetime, datetime]:
    """Returns the start and the end of the period of `days` days that begins at `now`."""
    return now, now + timedelta(days=days)


async def _one(connection: AsyncConnection, condition: ColumnElement[bool], absence: str) -> Habilitation:
    row = (await connection.execute(select(schema.habilitations).where(condition))).mappings().one_or_none()
    if row is None:
        raise UnknownRecord(absence)
    return record_of(row, Habilitation)


def record_of(row: Mapping[Any, Any], kind: type[S]) -> S:
    """Converts a database row to a record of the type `kind`, whose fields have the same names as the row's columns."""
    return msgspec.convert({str(name): value for name, value in row.items()}, kind)

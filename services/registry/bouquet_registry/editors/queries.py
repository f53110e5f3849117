"""Queries of software editors, their tokens and their delegations (rights to use administrations' habilitations)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import schema
from bouquet_registry.editors.records import Delegation, Editor, EditorToken
from bouquet_registry.queries import record_of
from bouquet_registry.refusals import UnknownRecord

DELEGATIONS = (
    select(
        schema.delegations,
        schema.editors.c.name.label("editor_name"),
        schema.habilitations.c.siret,
        schema.habilitations.c.name,
    )
    .select_from(schema.delegations.join(schema.editors).join(schema.habilitations))
    .order_by(schema.delegations.c.created_at.desc(), schema.delegations.c.id)
)


async def editor(connection: AsyncConnection, id_: str) -> Editor:
    """Returns an editor by its id. Raises `UnknownRecord` if no editor has this id."""
    query = select(schema.editors).where(schema.editors.c.id == id_)
    return record_of(await _one(connection, query, "editor"), Editor)


async def editors(connection: AsyncConnection, *, archived: bool = False) -> list[Editor]:
    """Returns the active editors, sorted by name. Includes the archived ones if `archived` is true."""
    query = select(schema.editors).order_by(schema.editors.c.name, schema.editors.c.id)
    if not archived:
        query = query.where(schema.editors.c.state == "active")
    return [record_of(row, Editor) for row in (await connection.execute(query)).mappings()]


async def editors_of_form(connection: AsyncConnection, form_uid: str) -> list[Editor]:
    """Returns the active editors whose DataPass forms include `form_uid`; none if `form_uid` is empty."""
    return [one for one in await editors(connection) if form_uid in one.form_uids] if form_uid else []


async def editor_token(connection: AsyncConnection, id_: str) -> EditorToken:
    """Returns an editor's token by its id. Raises `UnknownRecord` if no editor's token has this id."""
    query = select(schema.editor_tokens).where(schema.editor_tokens.c.id == id_)
    return record_of(await _one(connection, query, "token of an editor"), EditorToken)


async def is_editor_token(connection: AsyncConnection, id_: str) -> bool:
    """Returns whether a token of an editor has this id."""
    query = select(schema.editor_tokens.c.id).where(schema.editor_tokens.c.id == id_)
    return await connection.scalar(query) is not None


async def editor_tokens(
    connection: AsyncConnection, *, editor: str | None = None, expiring: tuple[datetime, datetime] | None = None
) -> list[EditorToken]:
    """Returns editors' tokens, sorted by expiry. With the id `editor`, returns only the tokens of this editor. With
    `expiring`, a start and an end, returns only tokens that expire in this period and are in force at its start."""
    query = select(schema.editor_tokens).order_by(schema.editor_tokens.c.expires_at, schema.editor_tokens.c.id)
    if editor is not None:
        query = query.where(schema.editor_tokens.c.editor == editor)
    if expiring is not None:
        is_expiring = schema.editor_tokens.c.expires_at.between(*expiring)
        query = query.join(schema.editors).where(is_expiring, in_force(expiring[0]))
    return [record_of(row, EditorToken) for row in (await connection.execute(query)).mappings()]


def in_force(now: datetime) -> ColumnElement[bool]:
    """Returns the SQL condition that a token is not blacklisted at `now`, and that its editor is active. Does not check
    the token's expiry."""
    blacklisted_at = schema.editor_tokens.c.blacklisted_at
    return (blacklisted_at.is_(None) | (blacklisted_at > now)) & (schema.editors.c.state == "active")


async def notices_of(connection: AsyncConnection, token: EditorToken) -> list[int]:
    """Returns the warnings sent before the current expiry of an editor's token, the largest first: 30 means 30 days
    before."""
    notices = schema.editor_notices.c
    own = (notices.token == token.id) & (notices.expires_at == token.expires_at) & notices.sent_at.is_not(None)
    return list(await connection.scalars(select(notices.days).where(own).order_by(notices.days.desc())))


async def delegation(connection: AsyncConnection, id_: str) -> Delegation:
    """Returns a delegation by its id. Raises `UnknownRecord` if no delegation has this id."""
    query = DELEGATIONS.where(schema.delegations.c.id == id_)
    return record_of(await _one(connection, query, "delegation"), Delegation)


async def delegations(
    connection: AsyncConnection,
    *,
    editor: str | None = None,
    habilitation: str | None = None,
    revoked: bool = True,
    limit: int | None = None,
    skipped: int = 0,
) -> list[Delegation]:
    """Returns delegations, newest first, of all editors and habilitations unless `editor` or `habilitation` is given.
    Skips the newest `skipped` delegations, then returns at most `limit`, or all if `limit` is None. Leaves out revoked
    delegations if `revoked` is false."""
    query = DELEGATIONS.limit(limit).offset(skipped or None)
    own = schema.delegations.c
    if editor is not None:
        query = query.where(own.editor == editor)
    if habilitation is not None:
        query = query.where(own.habilitation == habilitation)
    if not revoked:
        query = query.where(own.revoked_at.is_(None))
    return [record_of(row, Delegation) for row in (await connection.execute(query)).mappings()]


async def count_delegations(connection: AsyncConnection, editor: str) -> int:
    """Returns the number of delegations to an editor, revoked ones included."""
    query = select(func.count()).select_from(schema.delegations).where(schema.delegations.c.editor == editor)
    return await connection.scalar(query) or 0


async def _one(connection: AsyncConnection, query: Select[Any], what: str) -> Any:
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise UnknownRecord(f"no {what} has this id")
    return row

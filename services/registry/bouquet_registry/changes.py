"""Answers to gateways: which rights a token or a delegation gives, and which tokens have changed (docs/adr/0008)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import structs
from sqlalchemy import ColumnElement, Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_proto.registry_messages import (
    DelegationPage,
    GroupLimit,
    KnownDelegation,
    KnownDelegations,
    KnownToken,
    ListedDelegation,
    TokenChanges,
)
from bouquet_registry import schema
from bouquet_registry.editors import queries
from bouquet_registry.keys.signatures import has_withdrawn_signature, withdrawn_keys

MAX_CHANGED_IDS = 1000
"""Largest number of changed tokens and editors, counted together, in one answer to a gateway. If more have changed, the
gateway must treat all tokens and editors as changed."""
SINCE_EVER = 0.0
"""Blacklisting time, in epoch seconds, that gateways receive for a token of an archived habilitation or editor."""
# Gateways of a former release do not refuse withdrawn keys themselves. So they also receive this time for a token that
# a withdrawn key may have signed.

_own = schema.habilitations.c
RIGHTS_COLUMNS: tuple[ColumnElement[Any], ...] = (
    *(_own.id.label("habilitation"), _own.siret, _own.scopes, _own.allowed_ips, _own.ine),
    *(_own.calls_per_minute, _own.calls_per_second, _own.group_limits, _own.datapass_id),
)
"""Columns of a habilitation that gateways receive, such as `scopes` and `allowed_ips`."""


async def find_token(
    connection: AsyncConnection, token: str, *, refuses_withdrawn: bool
) -> tuple[KnownToken | None, int]:
    """Returns a token's rights, or None for an unknown token. Also returns the number of the last change in the log of
    changes. Unless `refuses_withdrawn` is true, a token signed with a withdrawn key is returned as blacklisted."""
    # `refuses_withdrawn` says whether the gateway itself refuses such tokens.
    tokens, habilitations = schema.tokens.c, schema.habilitations.c
    _, as_of = await log_position(connection)
    query = (
        select(
            tokens.issued_at, tokens.expires_at, tokens.blacklisted_at, tokens.mcp, habilitations.state, *RIGHTS_COLUMNS
        )
        .join(schema.habilitations)
        .where(tokens.id == token)
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        found = await _find_editor_token(connection, token, as_of)
    else:
        found = KnownToken(
            **_rights(row),
            issued_at=row.issued_at.timestamp(),
            expires_at=row.expires_at.timestamp(),
            as_of=as_of,
            blacklisted_at=SINCE_EVER if row.state == "archived" else _seconds(row.blacklisted_at),
            mcp=row.mcp,
        )
    if found is not None and not refuses_withdrawn and await has_withdrawn_signature(connection, token):
        found = structs.replace(found, blacklisted_at=SINCE_EVER)
    return found, as_of


async def _find_editor_token(connection: AsyncConnection, token: str, as_of: int) -> KnownToken | None:
    tokens, editors = schema.editor_tokens.c, schema.editors.c
    query = select(
        tokens.issued_at,
        tokens.expires_at,
        tokens.blacklisted_at,
        tokens.allowed_ips,
        editors.id,
        editors.siret,
        editors.allowed_ips.label("addresses_of_editor"),
        editors.state,
    ).join(schema.editors)
    row = (await connection.execute(query.where(tokens.id == token))).one_or_none()
    if row is None:
        return None
    return KnownToken(
        siret=row.siret,
        scopes=frozenset(),
        editor=row.id,
        issued_at=row.issued_at.timestamp(),
        expires_at=row.expires_at.timestamp(),
        as_of=as_of,
        blacklisted_at=SINCE_EVER if row.state == "archived" else _seconds(row.blacklisted_at),
        allowed_ips=tuple(row.allowed_ips or row.addresses_of_editor),
    )


async def find_delegations(connection: AsyncConnection, editor: str, siret: str) -> KnownDelegations:
    """Returns the delegations in force that let an editor call for the administration with the SIRET `siret`."""
    # A delegation is in force while it is not revoked and its habilitation is active.
    delegations, habilitations = schema.delegations.c, schema.habilitations.c
    _, as_of = await log_position(connection)
    query = (
        select(delegations.id, *RIGHTS_COLUMNS)
        .join(schema.habilitations)
        .where(
            delegations.editor == editor,
            delegations.revoked_at.is_(None),
            habilitations.siret == siret,
            habilitations.state == "active",
        )
        .order_by(delegations.created_at, delegations.id)
    )
    rows = await connection.execute(query)
    return KnownDelegations(as_of=as_of, delegations=tuple(KnownDelegation(id=row.id, **_rights(row)) for row in rows))


async def delegation_page(connection: AsyncConnection, editor: str, page: int, per_page: int) -> DelegationPage:
    """Returns one page of an editor's delegations, newest first, including revoked ones. The first page has the number
    1."""
    delegations, habilitations = schema.delegations.c, schema.habilitations.c
    query = (
        select(
            delegations.id,
            delegations.created_at,
            delegations.revoked_at,
            habilitations.siret,
            habilitations.purpose,
            habilitations.scopes,
            habilitations.state,
            habilitations.datapass_id,
        )
        .join(schema.habilitations)
        .where(delegations.editor == editor)
        .order_by(delegations.created_at.desc(), delegations.id)
        .limit(per_page)
        .offset((page - 1) * per_page)
    )
    listed = tuple(
        ListedDelegation(
            id=row.id,
            siret=row.siret,
            purpose=row.purpose,
            scopes=tuple(row.scopes),
            is_active=row.revoked_at is None and row.state == "active",
            created_at=row.created_at.timestamp(),
            datapass_id=row.datapass_id,
        )
        for row in await connection.execute(query)
    )
    return DelegationPage(total=await queries.count_delegations(connection, editor), delegations=listed)


def _rights(row: Row[Any]) -> dict[str, Any]:
    return {
        "habilitation": row.habilitation,
        "siret": row.siret,
        "scopes": frozenset(row.scopes),
        "allowed_ips": tuple(row.allowed_ips),
        "ine": row.ine,
        "calls_per_minute": row.calls_per_minute,
        "calls_per_second": row.calls_per_second,
        "group_limits": tuple(GroupLimit(**limit) for limit in row.group_limits),
        "datapass_id": row.datapass_id,
    }


async def changes_since(connection: AsyncConnection, log: str, since: int) -> TokenChanges:
    """Returns all withdrawn keys, and the ids of the tokens and editors that changed after change number `since`. `log`
    is the name of the log of changes that has this number. If `tokens` is None in the result, gateways must treat all
    tokens and editors as changed."""
    # That is the case if more than `MAX_CHANGED_IDS` of them have changed, or if the database's log has another name or
    # fewer changes than `since`, because the database is a new one or a restored backup.
    name, number = await log_position(connection)
    tokens: tuple[str, ...] | None = None
    editors: tuple[str, ...] = ()
    if log == name and since <= number:
        tokens, editors = await _changed_since(connection, since) if since < number else ((), ())
    return TokenChanges(
        log=name, cursor=number, tokens=tokens, editors=editors, withdrawn_keys=await withdrawn_keys(connection)
    )


async def _changed_since(connection: AsyncConnection, since: int) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Returns the ids of the tokens, and of the editors, that changed after change number `since`. If more than
    `MAX_CHANGED_IDS` have changed, returns None and an empty tuple."""
    tokens = (
        *await _changed(connection, schema.tokens, since),
        *await _changed(connection, schema.editor_tokens, since),
    )
    editors = await _changed(connection, schema.editors, since)
    return (tokens, editors) if len(tokens) + len(editors) <= MAX_CHANGED_IDS else (None, ())


async def _changed(connection: AsyncConnection, table: Table, since: int) -> tuple[str, ...]:
    query = select(table.c.id).where(table.c.change > since).limit(MAX_CHANGED_IDS + 1)
    return tuple(await connection.scalars(query))


async def log_position(connection: AsyncConnection) -> tuple[str, int]:
    """Returns the name of the log of changes to tokens, and the number of the last change. The log of each database has
    a name of its own, so that gateways notice a replaced database."""
    row = (await connection.execute(select(schema.log.c.name, schema.log.c.number))).one()
    return row.name, row.number


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()

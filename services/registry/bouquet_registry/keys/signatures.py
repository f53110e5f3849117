"""Signatures of tokens: the keys that have signed the text of each token, and the withdrawn keys, whose tokens gateways
refuse."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, Table, case, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import schema
from bouquet_registry.queries import record_of
from bouquet_registry.refusals import RefusalError
from bouquet_registry.store import INSERTS
from bouquet_registry.text import contains_token

UNRECORDED = "?"
"""Stands in place of the name of a key if it is unknown which key signed a token."""
# The token was issued before the registry recorded keys, or imported without the name of its key.
MAX_KID = 255
"""Largest length of a key's name, in characters: the width of the database's column."""


class SigningKey(Struct, frozen=True, kw_only=True):
    """Key that signs tokens now or has signed tokens before."""

    kid: str
    """Name of the key, as in the header `kid` of tokens; empty for a shared secret without a name."""
    is_current: bool
    """Whether the registry signs tokens with this key now."""
    tokens: int
    """Number of tokens in force, including editors' tokens, whose text this key has signed. Tokens whose signing key is
    unknown are not counted."""
    withdrawn_at: datetime | None = None
    withdrawn_by: str = ""
    withdrawn_why: str = ""


class SignedToken(Struct, frozen=True, kw_only=True):
    """Token in force, in the list of the tokens that one key has signed. A token whose signing key is unknown is in the
    list of every key."""

    id: str
    kind: Literal["token", "editor_token"]
    owner: str
    """Id of the token's habilitation or editor."""
    siret: str
    name: str
    """Name of the administration or editor that has the token."""
    expires_at: datetime
    is_recorded: bool
    """Whether the registry has recorded that this key signed the token. If false, the signing key is unknown."""


def is_kid(text: str) -> bool:
    """Returns whether a text can be the name of a key: at most `MAX_KID` characters, all printable ASCII. Returns False
    for `UNRECORDED`, and for a text that contains a token."""
    return (
        text.isascii()
        and text.isprintable()
        and len(text) <= MAX_KID
        and text != UNRECORDED
        and not contains_token(text)
    )


async def record_signature(connection: AsyncConnection, kid: str, token: str) -> None:
    """Records that a key signs the text of a token. Raises `RefusalError` if the key is withdrawn."""
    if kid in await withdrawn_keys(connection):
        raise RefusalError(f"the key {kid!r} is withdrawn: set another key that signs tokens")
    await add_signature(connection, kid, token)


async def add_signature(connection: AsyncConnection, kid: str, token: str) -> None:
    """Stores that a key has signed the text of a token, unless this is stored already. Unlike `record_signature`,
    accepts a withdrawn key."""
    insert = INSERTS[connection.dialect.name](schema.signatures)
    await connection.execute(insert.values(kid=kid, token=token).on_conflict_do_nothing())


async def withdrawn_keys(connection: AsyncConnection) -> tuple[str, ...]:
    """Returns the names of the withdrawn keys, sorted."""
    own = schema.withdrawn_keys.c.kid
    return tuple(await connection.scalars(select(own).order_by(own)))


async def has_withdrawn_signature(connection: AsyncConnection, token: str) -> bool:
    """Returns whether a withdrawn key has signed the text of a token. If the signing key is unknown, returns whether
    any key is withdrawn."""
    signed = select(schema.signatures.c.kid).where(schema.signatures.c.token == token)
    own = schema.withdrawn_keys.c.kid
    return (
        await connection.scalar(select(own).where(own.in_(signed) | literal(UNRECORDED).in_(signed)).limit(1))
        is not None
    )


async def signing_keys(connection: AsyncConnection, current: str | None, now: datetime) -> list[SigningKey]:
    """Returns the keys that have signed tokens in force, the withdrawn keys, and the key `current`, sorted by name.
    `current` is the name of the key that signs tokens now, or None without such a key."""
    rows = (await connection.execute(select(schema.withdrawn_keys))).mappings()
    withdrawn = {row["kid"]: {name: row[name] for name in row if name != "kid"} for row in rows}
    signed = _signed_tokens(now).subquery()
    counts = select(signed.c.kid, func.count()).group_by(signed.c.kid)
    tokens: dict[str, int] = {kid: count for kid, count in await connection.execute(counts)}
    known = {kid for kid in (*tokens, *withdrawn) if kid != UNRECORDED} | ({current} if current is not None else set())
    return [
        SigningKey(kid=kid, is_current=kid == current, tokens=tokens.get(kid, 0), **withdrawn.get(kid, {}))
        for kid in sorted(known)
    ]


def tokens_signed_by(kid: str, now: datetime) -> Select[Any]:
    """Returns the SQL query of the tokens in force that the key `kid` has signed, each once. Includes tokens whose
    signing key is unknown."""
    signed = _signed_tokens(now).subquery()
    is_recorded = (func.max(case((signed.c.kid != UNRECORDED, 1), else_=0)) == 1).label("is_recorded")
    columns = (signed.c.id, signed.c.kind, signed.c.owner, signed.c.siret, signed.c.name, signed.c.expires_at)
    query = select(*columns, is_recorded).where(signed.c.kid.in_((kid, UNRECORDED))).group_by(*columns)
    return select(query.subquery())


async def signed_tokens(connection: AsyncConnection, kid: str, now: datetime) -> list[SignedToken]:
    """Returns the tokens in force that the key `kid` has signed, sorted by their owners' names, then by expiry.
    Includes tokens whose signing key is unknown."""
    rows = (await connection.execute(tokens_signed_by(kid, now))).mappings()
    found = [record_of(row, SignedToken) for row in rows]
    return sorted(found, key=lambda token: (token.name, token.expires_at, token.id))


def _signed_tokens(now: datetime) -> Any:
    """Returns the SQL query of the tokens in force of habilitations and of editors. A token has one row for each key
    that has signed it."""
    halves = (
        _half("token", schema.tokens, schema.habilitations, schema.tokens.c.habilitation, now),
        _half("editor_token", schema.editor_tokens, schema.editors, schema.editor_tokens.c.editor, now),
    )
    return union_all(*halves)


def _half(kind: str, tokens: Table, owners: Table, owner: ColumnElement[str], now: datetime) -> Select[Any]:
    blacklisted_at = tokens.c.blacklisted_at
    return (
        select(
            schema.signatures.c.kid,
            tokens.c.id,
            literal(kind).label("kind"),
            owner.label("owner"),
            owners.c.siret,
            owners.c.name,
            tokens.c.expires_at,
        )
        .select_from(tokens.join(owners).join(schema.signatures, schema.signatures.c.token == tokens.c.id))
        .where(
            tokens.c.expires_at > now,
            blacklisted_at.is_(None) | (blacklisted_at > now),
            owners.c.state != "archived",
        )
    )

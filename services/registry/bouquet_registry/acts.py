"""Administrative acts: records of who changed what, when and why. An act is stored in the same transaction as the
change itself."""

from __future__ import annotations

import getpass
import os
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct, structs
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_mesh.settings import SettingsError
from bouquet_registry import schema
from bouquet_registry.refusals import InvalidFields
from bouquet_registry.text import contains_token, one_line

NEWEST_FIRST = select(schema.acts).order_by(schema.acts.c.at.desc(), schema.acts.c.id.desc())


class Author(Struct, frozen=True):
    """Person or system that makes an administrative change, with the reason for the change."""

    name: str
    reason: str = ""


class Act(Struct, frozen=True, kw_only=True):
    at: datetime
    author: str
    act: str
    """Short name of what the author did, such as `token reveal`."""
    target: str
    """Id of the record that the author changed or read, such as a habilitation; "" if there is none. Never identifies a
    citizen."""
    reason: str
    version: int | None = None
    """Version of the record after the change. `None` if the record has no versions, or if nothing was changed."""
    changed: tuple[str, ...] = ()
    """Names of the changed fields, such as `scopes`. Empty if no existing record was changed."""


async def record(
    connection: AsyncConnection,
    author: Author,
    act: str,
    target: str,
    at: datetime,
    *,
    version: int | None = None,
    changed: tuple[str, ...] = (),
) -> None:
    """Stores an administrative act, the record of who changed what and why, in the transaction of `connection`. Raises
    `InvalidFields` if the author's name or the author's reason contains the text of a token.

    Args:
        connection: Connection with the open transaction that makes the change.
        author: Name of the person who acts, and the reason given.
        act: Short name of what the author did, such as `token reveal`.
        target: Id of the record that the author changed or read; "" if there is none.
        at: Time of the act.
        version: Version of the record after the change, if the record has versions.
        changed: Names of the fields that changed, such as `scopes`.
    """
    if problems := [
        f"{name}: contains a token" for name, text in structs.asdict(author).items() if contains_token(text)
    ]:
        raise InvalidFields(problems)
    name, reason = one_line(author.name), one_line(author.reason)
    made = Act(at=at, author=name, act=act, target=target, reason=reason, version=version, changed=changed)
    await connection.execute(insert(schema.acts).values({"id": _new_id()} | structs.asdict(made)))


def _new_id() -> str:
    """Returns a unique id that begins with the present time in nanoseconds, so that ids sort by time."""
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


async def acts(connection: AsyncConnection, *, target: str | None = None, limit: int = 100) -> list[Act]:
    """Returns the newest administrative acts, at most `limit` of them, newest first. With `target`, the id of a record,
    returns only acts on this record."""
    query = NEWEST_FIRST.limit(limit)
    if target is not None:
        query = query.where(schema.acts.c.target == target)
    return [read(row) for row in (await connection.execute(query)).mappings()]


async def acts_after(connection: AsyncConnection, target: str, version: int) -> list[Act]:
    """Returns the administrative acts (who did what) that changed a record after its version `version`, oldest first.
    `target` is the record's id."""
    own = (schema.acts.c.target == target) & (schema.acts.c.version > version)
    query = select(schema.acts).where(own).order_by(schema.acts.c.version)
    return [read(row) for row in (await connection.execute(query)).mappings()]


def read(row: Mapping[Any, Any]) -> Act:
    """Converts a row of the table of acts to an `Act`."""
    return msgspec.convert({name: row[name] for name in Act.__struct_fields__}, Act)


def operator_name() -> str:
    """Returns the login name of the user who runs the command, or who called `sudo` to run it. Raises `SettingsError`
    if the user has no name, as in many containers."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user often has a number alone, which is nobody's
        raise SettingsError([f"--author: is required, since user {os.getuid()} has no name here"]) from None

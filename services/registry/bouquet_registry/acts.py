"""Administrative acts: who did what, when, to what, and why. An act is written in the transaction of its change."""

from __future__ import annotations

import getpass
import os
from datetime import datetime
from typing import Any
from uuid import uuid4

from msgspec import Struct, structs
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_mesh.settings import SettingsError
from bouquet_registry import schema
from bouquet_registry.text import one_line


class Author(Struct, frozen=True):
    """Person or system that performs an administrative act, and the reason for it."""

    name: str
    reason: str = ""


class Act(Struct, frozen=True, kw_only=True):
    at: datetime
    author: str
    act: str
    """Name of the act, such as `token reveal`."""
    target: str
    """Id of the record that the act concerns, such as a habilitation, or "". Never a citizen."""
    reason: str


async def record(connection: AsyncConnection, author: Author, act: str, target: str, at: datetime) -> None:
    made = Act(at=at, author=one_line(author.name), act=act, target=target, reason=one_line(author.reason))
    await connection.execute(insert(schema.acts).values({"id": str(uuid4())} | structs.asdict(made)))


async def acts(connection: AsyncConnection, *, target: str | None = None, most: int = 100) -> list[Act]:
    """Returns the newest administrative acts, at most `most`. With `target`, only those on this record."""
    query = select(schema.acts).order_by(schema.acts.c.at.desc(), schema.acts.c.id).limit(most)
    if target is not None:
        query = query.where(schema.acts.c.target == target)
    return [_read(dict(row)) for row in (await connection.execute(query)).mappings()]


def _read(row: dict[str, Any]) -> Act:
    return Act(**{name: row[name] for name in Act.__struct_fields__})


def operator_name() -> str:
    """Returns the login name of the user at this terminal, or of the caller of `sudo`. Raises `SettingsError` if the
    user has no name."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user often has a number alone, which is nobody's
        raise SettingsError([f"--author: is required, since user {os.getuid()} has no name here"]) from None

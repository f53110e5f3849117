"""Acts of administration: who did what, when, on what, and why. Each is written with what it did, or not at all."""

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
    """The person, or the system, that acts."""

    name: str
    reason: str = ""


class Act(Struct, frozen=True, kw_only=True):
    at: datetime
    author: str
    act: str
    """`habilitation change`, `token reveal`, `journal who-read`."""
    target: str
    """Identifier of what it was done to; empty where it has none. Never who a citizen is."""
    reason: str


async def record(connection: AsyncConnection, author: Author, act: str, target: str, at: datetime) -> None:
    """Adds an act to the transaction of `connection`."""
    made = Act(at=at, author=one_line(author.name), act=act, target=target, reason=one_line(author.reason))
    await connection.execute(insert(schema.acts).values({"id": str(uuid4())} | structs.asdict(made)))


async def acts(connection: AsyncConnection, *, target: str | None = None, most: int = 100) -> list[Act]:
    """The newest first."""
    query = select(schema.acts).order_by(schema.acts.c.at.desc(), schema.acts.c.id).limit(most)
    if target is not None:
        query = query.where(schema.acts.c.target == target)
    return [_read(dict(row)) for row in (await connection.execute(query)).mappings()]


def _read(row: dict[str, Any]) -> Act:
    return Act(**{name: row[name] for name in Act.__struct_fields__})


def operator_name() -> str:
    """The name of the operating system's user at this terminal; of the user that called `sudo`, where one did. Raises
    `SettingsError` where that user has none."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user often has a number alone, which is nobody's
        raise SettingsError([f"--author: is required, since user {os.getuid()} has no name here"]) from None

"""Databases on which the registry is measured (SQLite and PostgreSQL)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct
from sqlalchemy import text

from bouquet_mesh.secret import Secret
from bouquet_registry.store import Store, open_store, upgrade

SIZES = {"SQLite": "select page_count * page_size from pragma_page_count(), pragma_page_size()"}
SIZE_OF_OTHERS = "select pg_database_size(current_database())"


class Database(Struct, frozen=True):
    name: str
    url: str
    server: int | None = None
    """Process id of the database server; None for SQLite, which has no server."""


class Opened(Struct, frozen=True):
    store: Store
    database: Database

    async def size_bytes(self) -> float:
        async with self.store.reading() as connection:
            return float(await connection.scalar(text(SIZES.get(self.database.name, SIZE_OF_OTHERS))) or 0)


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Opened]:
    """Creates the registry's tables in a new database, and yields it open."""
    await upgrade(Secret(database.url))
    async with open_store(Secret(database.url)) as store:
        yield Opened(store, database)

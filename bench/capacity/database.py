"""The registry's databases, and their sizes."""

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
    """A database of the registry."""

    name: str
    url: str
    server: int | None = None
    """Id of the server process, whose CPU is part of the cost."""


class Opened(Struct, frozen=True):
    """An open database, with its store."""

    store: Store
    database: Database

    async def size_bytes(self) -> float:
        async with self.store.reading() as connection:
            return float(await connection.scalar(text(SIZES.get(self.database.name, SIZE_OF_OTHERS))) or 0)


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Opened]:
    """Yields a database with empty tables."""
    await upgrade(Secret(database.url))
    async with open_store(Secret(database.url)) as store:
        yield Opened(store, database)

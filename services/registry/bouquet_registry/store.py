"""Database of the registry, SQLite or PostgreSQL: opening it, migrating its tables, reading from it, and writing in
transactions."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

from msgspec import structs
from sqlalchemy import Connection, Table, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.context import warn_if_unencrypted
from bouquet_registry.database_url import SETTING, database_of
from bouquet_registry.roles import NO_ROLES, ROLE_NAME, Roles, grant
from bouquet_registry.schema import REVISION

PREFIX = "BOUQUET_REGISTRY_"
NOT_TAKEN = f"{SETTING}: has a host or an option that its driver does not take"
LOCK_TIMEOUT_S = 5
"""Longest time, in seconds, that SQLite waits for a lock on the database."""
SQLITE_PRAGMAS = (
    f"busy_timeout={LOCK_TIMEOUT_S * 1000}",
    "foreign_keys=ON",
    # Entries of the journal's indexes go to pages all over the file. The default cache (2 MB) and write-ahead log
    # (1,000 pages) would read and write the same pages again for each batch.
    "cache_size=-32000",
    "wal_autocheckpoint=10000",
)
"""Settings of each SQLite connection, as `name=value`. `busy_timeout` is in ms, a negative `cache_size` in KiB, and
`wal_autocheckpoint` in pages of 4 KiB."""


INSERTS: dict[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
"""Maps the name of the SQL dialect to the function that constructs an `INSERT` statement which may have an `ON
CONFLICT` clause."""


class Store:
    """Open database, which provides read connections and write transactions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Yields a connection with an open write transaction, which is committed at the end, or rolled back after an
        exception."""
        # On SQLite, the transaction takes the write lock at its start.
        async with self._engine.execution_options(writing=True).begin() as connection:
            yield connection


@asynccontextmanager
async def open_store(url: Secret) -> AsyncIterator[Store]:
    """Yields the open database, after creating the tables in an empty SQLite file. Raises `SettingsError` for an
    unusable URL, and for tables of another version."""
    async with _engine(url) as engine:
        if engine.dialect.name == "sqlite" and await _is_empty(engine):
            await _upgrade(engine)
        async with engine.connect() as connection:
            if await connection.run_sync(_revision) != REVISION:
                raise SettingsError([f"{SETTING}: other tables than ours; run bouquet-registry migrate"])
        yield Store(engine)


async def upgrade(url: Secret, roles: Roles = NO_ROLES, keep_months: int = 0) -> str:
    """Migrates the tables to this version, and returns their revision. On PostgreSQL, also grants `roles` their rights.
    If `keep_months` is not 0, the role of `journal serve` may remove records older than this number of months. Raises
    `SettingsError` for a wrong URL or an unknown role."""
    async with _engine(url) as engine:
        if engine.dialect.name == "postgresql":
            await _check_roles(engine, roles)
        await _upgrade(engine, roles, keep_months)
    return REVISION


async def _check_roles(engine: AsyncEngine, roles: Roles) -> None:
    """Raises `SettingsError` if the database lacks one of `roles`, or if a role's name needs quotes in SQL."""
    for role in filter(None, structs.astuple(roles)):
        if not ROLE_NAME.fullmatch(role):
            raise SettingsError([f"{role!r} is no name of a role"])
        async with engine.connect() as connection:
            if not await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}):
                raise SettingsError([f"the database has no role {role}: its administrator makes it"])


@asynccontextmanager
async def _engine(setting: Secret) -> AsyncIterator[AsyncEngine]:
    database = database_of(setting)
    if not database.is_sqlite:
        for host in database.hosts:
            warn_if_unencrypted(SETTING, host, is_encrypted=database.tls is not None)
    url = database.url
    # Hidden parameters: an error of the database would quote names and addresses.
    try:
        engine = create_async_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=not database.is_sqlite,
            connect_args=database.arguments,
            # The connection that wrote last has the pages of the next write in its cache. A database in memory has no
            # pool.
            **({"pool_use_lifo": True} if url.database else {}),
        )
    except ArgumentError:
        raise SettingsError([NOT_TAKEN]) from None
    if engine.dialect.name == "sqlite":
        await asyncio.to_thread(_enable_wal, url.database or "")
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    try:
        await _connect_once(engine)
        yield engine
    finally:
        await engine.dispose()


async def _connect_once(engine: AsyncEngine) -> None:
    """Connects once to test the URL. Raises `SettingsError` if the driver refuses the URL."""
    try:
        async with engine.connect():
            pass
    except OSError:  # a certificate that is not verified is a ValueError too
        raise
    except (OverflowError, TypeError, ValueError):  # the first is of a port
        raise SettingsError([NOT_TAKEN]) from None


def _enable_wal(file: str) -> None:
    """Sets write-ahead logging in an SQLite file. Creates a missing file, which only its owner can read. Follows
    symbolic links."""
    # Retries if the file is locked, because SQLite does not wait for the lock when two processes set the mode at once.
    # Ignores other errors, which will appear again at the first connection.
    with suppress(OSError):
        os.close(os.open(os.path.realpath(file), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    give_up_at = time.monotonic() + LOCK_TIMEOUT_S
    while time.monotonic() < give_up_at:
        try:
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.Error as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                return
        time.sleep(0.02)


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver thinks
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


async def _is_empty(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        return not await connection.run_sync(lambda sync: inspect(sync).get_table_names())


async def _upgrade(engine: AsyncEngine, roles: Roles = NO_ROLES, keep_months: int = 0) -> None:
    """Migrates the tables, and grants `roles` their rights in the same transaction. If `keep_months` is not 0, the role
    of `journal serve` may remove records older than this number of months."""
    # So no process finds a new table on which it has no rights yet.
    from bouquet_registry.migrating import migrate

    async with engine.execution_options(writing=True).begin() as connection:
        await connection.run_sync(migrate)
        if engine.dialect.name == "postgresql":
            await connection.run_sync(grant, roles, keep_months)


def _revision(connection: Connection) -> str | None:
    """Returns the revision that Alembic noted in the database, or None for a database without tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))

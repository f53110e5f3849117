"""Tables are made by migrations, which every process can tell from its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import IntegrityError

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_registry import schema
from bouquet_registry.desk import utc_now
from bouquet_registry.store import Store, open_store, upgrade
from tests.registry.office import habilitation


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), schema.metadata))


async def test_the_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    async with store.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_to_migrate_twice_changes_nothing(database: Secret) -> None:
    assert await upgrade(database) == await upgrade(database)


async def test_an_empty_sqlite_gets_its_tables_by_itself_even_from_several_at_once(tmp_path: Path) -> None:
    url = Secret(f"sqlite:///{tmp_path}/new.db")

    async def begin() -> None:
        async with open_store(url) as store:
            await habilitation(store)

    await asyncio.gather(*(begin() for _ in range(4)))


@pytest.mark.broker
@pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)
async def test_an_empty_postgresql_is_left_to_its_operator(empty_database: Secret) -> None:
    with pytest.raises(SettingsError, match="run bouquet-registry migrate"):
        async with open_store(empty_database):
            pass


async def test_tables_of_another_version_are_not_touched(store: Store, database: Secret) -> None:
    async with store.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    with pytest.raises(SettingsError, match="run bouquet-registry migrate"):
        async with open_store(database):
            pass


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/name", "redis://host"])
async def test_another_database_is_refused_and_its_url_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_REGISTRY_DATABASE_URL: must be sqlite:///… or postgresql://…$"):
        async with open_store(Secret(url)):
            pass


async def test_an_error_of_the_database_quotes_nobody(store: Store) -> None:
    values = {"token": "KERVALLAN", "days": 7, "expires_at": utc_now()}
    with pytest.raises(IntegrityError) as caught:
        async with store.writing() as connection:
            await connection.execute(insert(schema.notices).values(values))
    assert "KERVALLAN" not in str(caught.value)

"""Tests that PostgreSQL roles keep their rights on tables of former revisions through each migration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bouquet_mesh.secret import Secret
from bouquet_registry import migrating
from bouquet_registry.database_url import database_of
from bouquet_registry.migrating import migrate
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.broker


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(migrating.MIGRATIONS))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


REVISIONS = revisions()
RIGHTS = "SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = :role"
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"


@pytest.fixture
async def engine(postgres_server: PostgresServer) -> AsyncIterator[AsyncEngine]:
    database = database_of(Secret(postgres_server.database()))
    engine = create_async_engine(database.url, connect_args=database.arguments)
    yield engine
    await engine.dispose()


@pytest.mark.parametrize(("former", "revision"), list(zip(REVISIONS, REVISIONS[1:], strict=False)))
async def test_a_migration_keeps_the_rights_of_roles(former: str, revision: str, engine: AsyncEngine) -> None:
    role = f"reader_{uuid4().hex[:8]}"
    async with engine.begin() as connection:
        await connection.run_sync(migrate, former)
        await connection.execute(text(f"CREATE ROLE {role}"))
        await connection.execute(text(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {role}"))
        before = await connection.run_sync(rights_of, role)
    async with engine.begin() as connection:
        await connection.run_sync(migrate, revision)
        kept = await connection.run_sync(rights_of, role)
        tables = set((await connection.execute(text(TABLES))).scalars())
        await connection.execute(text(f"DROP OWNED BY {role}"))
        await connection.execute(text(f"DROP ROLE {role}"))
    assert before and {right for right in before if right[0] in tables} - kept == set()


def rights_of(connection: Connection, role: str) -> set[tuple[str, str]]:
    return {(row.table_name, row.privilege_type) for row in connection.execute(text(RIGHTS), {"role": role})}

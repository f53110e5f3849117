"""Fixtures with the former release, and with meshes that run the former release when a test begins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitNode
from tests.support.redis import RedisServer
from tests.upgrade.mesh import UpgradeMesh, upgrade_mesh
from tests.upgrade.releases import Release, former_release


@pytest.fixture(scope="session")
def former() -> Iterator[Release]:
    with former_release() as release:
        yield release


ROLE = "bouquet_upgraded"
"""PostgreSQL role of the registries, which has only the rights that a migration grants."""
CREATE_ROLE = f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def database(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Returns the URL of a new, empty database on SQLite or PostgreSQL. Connections to it have the rights of the
    database's owner."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path}/registry.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.run("postgres", CREATE_ROLE)
    return server.database()


@pytest.fixture
async def mesh(
    tmp_path: Path, rabbitmq4: RabbitNode, redis_server: RedisServer, engine: str, database: str, former: Release
) -> AsyncIterator[UpgradeMesh]:
    """Yields a mesh whose broker and database are those of the former release."""
    role = ROLE if engine == "postgresql" else ""
    async with upgrade_mesh(tmp_path, rabbitmq4, redis_server.url, database, former, role) as made:
        yield made

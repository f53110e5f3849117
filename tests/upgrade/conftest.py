"""The former release, and meshes that begin as processes of it."""

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


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Returns the URL of an empty database for a registry, on SQLite or PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/registry.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.database()


@pytest.fixture
async def mesh(
    tmp_path: Path, rabbitmq4: RabbitNode, redis_server: RedisServer, database: str, former: Release
) -> AsyncIterator[UpgradeMesh]:
    """Yields a mesh whose broker and database are those of the former release."""
    async with upgrade_mesh(tmp_path, rabbitmq4, redis_server.url, database, former) as made:
        yield made

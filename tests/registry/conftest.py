"""A registry's store, on SQLite and on PostgreSQL: what holds on one holds on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bouquet_mesh.secret import Secret
from bouquet_registry.store import Store, open_store, upgrade
from tests.support.habilitations import Clock
from tests.support.tls import Papers, papers


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.broker)])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Secret:
    """One without tables."""
    if request.param == "sqlite":
        return Secret(f"sqlite:///{tmp_path}/registry.db")
    return Secret(request.getfixturevalue("postgres_server").database())


@pytest.fixture
async def database(empty_database: Secret) -> Secret:
    await upgrade(empty_database)
    return empty_database


@pytest.fixture
async def store(database: Secret) -> AsyncIterator[Store]:
    async with open_store(database) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return papers(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Of an authority that did not sign the server's certificate."""
    return papers(tmp_path_factory.mktemp("others"))

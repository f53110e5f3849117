"""Stores of a registry on SQLite and on PostgreSQL, for tests that must pass on both, and commands of a registry."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bouquet_gateway.access import registry_client
from bouquet_mesh.secret import Secret
from bouquet_registry.__main__ import main
from bouquet_registry.store import Store, open_store, upgrade
from tests.support.clock import DatetimeClock
from tests.support.mesh_with_registry import MeshWithRegistry, mesh_with_registry
from tests.support.postgres import PostgresServer
from tests.support.registry_commands import Run, with_reason
from tests.support.tls import CertificateFiles, certificate_files


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.broker)])
def engine(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def empty_database(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Secret:
    if engine == "sqlite":
        return Secret(f"sqlite:///{tmp_path}/registry.db")
    return Secret(request.getfixturevalue("postgres_server").database())


@pytest.fixture
def database(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Secret:
    """Returns the URL of a new database with all tables and no rows."""
    # It is a copy, which is faster than the migrations.
    if engine == "sqlite":
        file = shutil.copy(request.getfixturevalue("sqlite_with_tables"), tmp_path / "registry.db")
        return Secret(f"sqlite:///{file}")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return Secret(server.database(like=request.getfixturevalue("postgres_with_tables")))


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tables") / "registry.db"
    asyncio.run(upgrade(Secret(f"sqlite:///{file}")))
    return file


@pytest.fixture(scope="session")
def postgres_with_tables(postgres_server: PostgresServer) -> str:
    """Returns the URL of a PostgreSQL database with all tables and no rows, of which tests make copies."""
    url = postgres_server.database()
    asyncio.run(upgrade(Secret(url)))
    return url


@pytest.fixture
async def store(database: Secret) -> AsyncIterator[Store]:
    async with open_store(database) as opened:
        yield opened


@pytest.fixture
def clock() -> DatetimeClock:
    return DatetimeClock()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return certificate_files(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return certificate_files(tmp_path_factory.mktemp("others"))


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Secret(f"sqlite:///{tmp_path}/registry.db")) as opened:
        yield opened


@pytest.fixture
async def here(sqlite: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MeshWithRegistry]:
    """Yields a mesh with a running registry. Gateways added to it poll the registry for changes every 20 ms."""
    monkeypatch.setattr(registry_client, "POLL_S", 0.02)
    monkeypatch.setattr(registry_client, "SILENT_AFTER_S", 0.2)
    async with mesh_with_registry("memory:", sqlite) as made:
        yield made


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Sets environment variables with which commands of `bouquet-registry` use an SQLite file of the test's own.
    Returns all environment variables of the process."""
    own = {
        "BOUQUET_REGISTRY_DATABASE_URL": f"sqlite:///{tmp_path}/registry.db",
        "BOUQUET_REGISTRY_SIGNING_KEY": "k" * 32,
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **own}


@pytest.fixture
def run(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Run:
    """Returns a function that runs a command of `bouquet-registry`, which must succeed, and returns the JSON that the
    command prints. A command whose arguments give no reason for the act gets one."""

    def run(*arguments: str) -> Any:
        status = main([*with_reason(arguments), "--json"])
        out, err = capsys.readouterr()
        assert status == 0, err
        return json.loads(out)

    return run

"""Tests of the internal API while its database is away: it refuses requests with 503, and stays ready."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import ClientSession
from sqlalchemy import text
from sqlalchemy.engine import make_url

from bouquet_mesh.secret import Secret
from bouquet_registry.store import open_store
from tests.registry.api_client import ALL_HEADERS, api_environ
from tests.support.daemon import free_port
from tests.support.postgres import PostgresServer
from tests.support.processes import running_command


async def admit(server: PostgresServer, like: str, name: str, *, is_admitted: bool) -> None:
    """Lets PostgreSQL accept connections to the database `name` or, if `is_admitted` is false, refuse new ones and end
    those that exist."""
    async with open_store(Secret(server.database(like=like))) as other, other.writing() as connection:
        await connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {is_admitted}'))
        if not is_admitted:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            await connection.execute(text(ended), {"name": name})


@pytest.mark.broker
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_the_api_stays_ready_and_refuses_requests_while_its_database_is_away(
    database: Secret, postgres_server: PostgresServer, postgres_with_tables: str
) -> None:
    name, port = make_url(database.reveal()).database or "", free_port()
    settings = {"BOUQUET_REGISTRY_DATABASE_URL": database.reveal(), "BOUQUET_REGISTRY_PORT": str(port)}
    async with running_command(api_environ(Path()) | settings, "bouquet-registry", "api") as process:
        api = f"http://127.0.0.1:{(await process.until_logged('registry api started'))['port']}/habilitations"
        async with ClientSession(headers=ALL_HEADERS) as session:

            async def status(url: str) -> int:
                async with session.get(url) as response:
                    return response.status

            assert await status(api) == 200
            await admit(postgres_server, postgres_with_tables, name, is_admitted=False)
            assert (await status(api), await status(f"http://127.0.0.1:{port}/readyz")) == (503, 200)
            await admit(postgres_server, postgres_with_tables, name, is_admitted=True)
            assert await status(api) == 200

"""Tests of an API process that is killed in the middle of acts. It must have written both an act's change and the
record of the act, or neither."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession
from sqlalchemy import func, select, text

from bouquet_mesh.secret import Secret
from bouquet_registry import schema
from bouquet_registry.store import Store
from tests.registry.api_client import ALL_HEADERS, api_environ
from tests.support.awaited_lock import until_lock_is_awaited
from tests.support.habilitations import create_habilitation
from tests.support.processes import Process, running_command

ROUNDS = 3


def running_api(database: Secret) -> AbstractAsyncContextManager[Process]:
    settings = {"BOUQUET_REGISTRY_DATABASE_URL": database.reveal()}
    return running_command(api_environ(Path()) | settings, "bouquet-registry", "api")


async def act_until_killed(process: Process, habilitations: list[str]) -> None:
    """Sends acts on several habilitations at once, and kills the process in the middle of them."""
    port = (await process.until_logged("registry api started"))["port"]

    async def change(session: ClientSession, id_: str) -> None:
        with suppress(ClientError):
            while True:
                async with session.get(f"/habilitations/{id_}") as response:
                    version = (await response.json())["habilitation"]["version"]
                body = {"version": version, "purpose": f"Cantine {version}"}
                async with session.patch(f"/habilitations/{id_}", json=body) as response:
                    assert response.status in (200, 409)
                async with session.post(f"/habilitations/{id_}/tokens", json={}) as response:
                    assert response.status == 201

    async with ClientSession(f"http://127.0.0.1:{port}", headers=ALL_HEADERS) as session, asyncio.TaskGroup() as tasks:
        for id_ in habilitations:
            tasks.create_task(change(session, id_))
        await process.until_logged("api request answered", times=20)
        await process.kill()


@pytest.mark.slow
async def test_each_act_of_a_killed_api_is_done_and_recorded_or_neither(store: Store, database: Secret) -> None:
    own = [(await create_habilitation(store)).id for _ in range(4)]
    for _ in range(ROUNDS):
        async with running_api(database) as process:
            await act_until_killed(process, own)
        async with store.reading() as connection:
            versions = await connection.scalar(select(func.sum(schema.habilitations.c.version)))
            tokens = await connection.scalar(select(func.count()).select_from(schema.tokens))
            counted = select(schema.acts.c.act, func.count()).group_by(schema.acts.c.act)
            acts: dict[str, int] = {act: number for act, number in await connection.execute(counted)}
        assert acts["habilitation create"] + acts["habilitation change"] == versions
        assert acts["token issue"] == tokens


@pytest.mark.broker
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_an_api_killed_between_a_change_and_its_act_leaves_neither(store: Store, database: Secret) -> None:
    """Tests that an API process killed after it has written a change, but before it has recorded the act, leaves
    neither. A lock on the table of acts makes the process wait at this point."""
    own = await create_habilitation(store)
    async with running_api(database) as process:
        port = (await process.until_logged("registry api started"))["port"]
        async with ClientSession(f"http://127.0.0.1:{port}", headers=ALL_HEADERS) as session:
            async with store.writing() as connection:
                await connection.execute(text("LOCK TABLE acts IN EXCLUSIVE MODE"))
                body = {"version": 1, "purpose": "Transport"}
                sent = asyncio.create_task(session.patch(f"/habilitations/{own.id}", json=body).__aenter__())
                await until_lock_is_awaited(store, "acts")
                await process.kill()
            with pytest.raises(ClientError):
                await sent
    async with store.reading() as connection:
        found = (await connection.execute(select(schema.habilitations.c.version, schema.habilitations.c.purpose))).one()
        assert tuple(found) == (1, "Cantine")
        assert list(await connection.scalars(select(schema.acts.c.act))) == ["habilitation create"]

"""Tests of the registry as a process, and embedded in a gateway."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from pathlib import Path

import pytest
from aiohttp import ClientSession
from msgspec import Raw

from bouquet_cnaf.simulator import simulator
from bouquet_mesh.bus.api import Bus
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.outbox.open import open_outbox
from bouquet_mesh.secret import Secret
from bouquet_proto import access_record
from bouquet_proto.deadline import Deadline
from bouquet_proto.journal_messages import PROVIDER as JOURNAL
from bouquet_proto.journal_messages import JournalEntry
from bouquet_proto.messages import FindEntry, Found, Reply, encode
from bouquet_registry.store import open_store
from tests.registry.accesses import access, arrived, ids
from tests.registry.datapass_events import SECRET, V1, signed, v1
from tests.support.broker_users import restricted_vhost
from tests.support.daemon import free_port
from tests.support.gateway_client import TOKEN_KEY
from tests.support.habilitations import issue_token, read_token
from tests.support.mesh_with_registry import signed_token
from tests.support.processes import running_command
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S

FIRST, SECOND = "01a22c389d6167c1a3edc25f3d4dec15", "01a22c389d6267c1a3edc25f3d4dec15"
KEPT = Found(Raw(encode(JournalEntry(state="kept"))))


@pytest.fixture
def url(tmp_path: Path) -> Secret:
    return Secret(f"sqlite:///{tmp_path}/registry.db")


async def test_the_registry_process_answers_datapass_and_health_probes(url: Secret) -> None:
    environ = {
        "BOUQUET_REGISTRY_DATABASE_URL": url.reveal(),
        "BOUQUET_REGISTRY_DATAPASS_SECRET": SECRET.reveal(),
        "BOUQUET_REGISTRY_PORT": "0",
    }
    async with running_command(environ, "bouquet-registry", "serve") as process:
        port = (await process.until_logged("registry started"))["port"]
        async with ClientSession(f"http://127.0.0.1:{port}") as session:
            body = v1("approve", time.time())
            async with session.post(V1, data=body, headers=signed(body)) as response:
                id_ = (await response.json())["token_id"]
            for path in ("/livez", "/readyz", "/metrics"):
                async with session.get(path) as response:
                    assert response.status == 200
                    metrics = await response.text()
        assert 'bouquet_registry_webhooks_total{outcome="obeyed"} 1.0' in metrics
        assert await process.stop() == 0
    async with open_store(url) as store:
        assert (await read_token(store, id_)).id == id_


@pytest.mark.parametrize("name", ["SIGNING_KEY", "JOURNAL_KEYS"])
async def test_an_unused_key_is_logged_as_a_warning(name: str, url: Secret) -> None:
    own = {"DATABASE_URL": url.reveal(), "PORT": "0", name: f"1:{40 * 'k'}"}
    environ = {f"BOUQUET_REGISTRY_{variable}": value for variable, value in own.items()}
    async with running_command(environ, "bouquet-registry", "serve") as process:
        assert (await process.until_logged("unused key configured"))["setting"] == f"BOUQUET_REGISTRY_{name}"
        assert 40 * "k" not in process.output


async def test_a_port_in_use_is_reported_as_such(url: Secret) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        environ = {"BOUQUET_REGISTRY_DATABASE_URL": url.reveal(), "BOUQUET_REGISTRY_PORT": port}
        async with running_command(environ, "bouquet-registry", "serve") as process:
            assert await process.wait() == 2
            assert f"127.0.0.1:{port}: cannot be listened on: Address already in use" in process.output


async def test_an_embedded_gateway_hosts_the_registry(url: Secret) -> None:
    async with open_store(url) as store:
        mine = await issue_token(store)
    port = free_port()
    environ = {
        "BOUQUET_REGISTRY_DATABASE_URL": url.reveal(),
        "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
        "BOUQUET_GATEWAY_PORT": str(port),
        "BOUQUET_GATEWAY_JOURNAL": "false",
        "BOUQUET_GATEWAY_PROVIDERS": "cnaf",
        **simulator.settings("http://127.0.0.1:1"),
    }
    async with running_command(environ, "bouquet-gateway", "serve") as process:
        await process.until_logged("gateway started")
        async with (
            ClientSession(f"http://127.0.0.1:{port}", headers={"X-Api-Key": signed_token(mine)}) as session,
            session.get("/api/introspect") as response,
        ):
            assert (await response.json())["scopes"] == ["dss_allocataires", "dss_quotient_familial"]
        assert await process.stop() == 0
    async with open_store(url) as store:
        assert (await read_token(store, mine.id)).last_used_at


@pytest.mark.broker
async def test_the_journal_is_written_and_answers_by_the_registry_process_or_one_of_its_own(
    url: Secret, rabbit: RabbitNode, tmp_path_factory: pytest.TempPathFactory
) -> None:
    guarded = restricted_vhost(rabbit, tmp_path_factory.mktemp("passwords"), "acme")
    environ = {"BOUQUET_REGISTRY_DATABASE_URL": url.reveal(), "BOUQUET_REGISTRY_PORT": "0"}
    registry, journal = ({"BOUQUET_BUS_URL": guarded.url(user)} | environ for user in ("registry", "journal"))
    async with (
        open_store(url) as store,
        open_outbox(guarded.url("gateway"), "gateway") as outbox,
        open_bus(guarded.url("gateway"), "gateway") as gateway,
    ):
        async with running_command(registry, "bouquet-registry", "serve") as process:
            port = (await process.until_logged("registry started"))["port"]
            await outbox.send([access_record.encode(access(FIRST))])
            await arrived(store, FIRST)
            await until_kept(gateway, FIRST)
            async with ClientSession(f"http://127.0.0.1:{port}") as session:
                async with session.get("/readyz") as response:
                    assert response.status == 200
                async with session.get("/metrics") as response:
                    connected = re.findall(r'bouquet_bus_connected{connection="(.+)"} (.+)', await response.text())
            assert connected == [("bouquet-registry", "1.0"), ("bouquet-registry-journal", "1.0")]
            assert await process.stop() == 0
        without = registry | {"BOUQUET_REGISTRY_JOURNAL": "false"}
        async with running_command(without, "bouquet-registry", "serve") as idle:
            await idle.until_logged("registry started")
            await outbox.send([access_record.encode(access(SECOND))])
            assert await idle.stop() == 0
        assert await ids(store) == [FIRST]
        async with running_command(journal, "bouquet-registry", "journal", "serve") as process:
            await arrived(store, FIRST, SECOND)
            await until_kept(gateway, SECOND)
            assert await process.stop() == 0


async def until_kept(gateway: Bus, record: str) -> None:
    """Asks the journal, as a gateway that verifies a proof, until it answers that it has the record."""

    async def ask() -> Reply:
        return await gateway.call(JOURNAL, FindEntry(id="1", deadline=Deadline.after(5).at, record=record))

    async with asyncio.timeout(TEST_TIMEOUT_S):
        while await ask() != KEPT:  # noqa: ASYNC110 - the journal signals no event
            await asyncio.sleep(0.02)


async def test_a_registry_process_with_wrong_settings_names_them_and_exits() -> None:
    environ = {"BOUQUET_REGISTRY_DATABASE_URL": "mysql://", "BOUQUET_REGISTRY_PORT": "0"}
    async with running_command(environ, "bouquet-registry", "serve") as process:
        assert await process.wait() == 2
        assert process.output == "BOUQUET_REGISTRY_DATABASE_URL: must be sqlite:///… or postgresql://…\n"

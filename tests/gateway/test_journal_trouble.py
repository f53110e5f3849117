"""Tests of the journal while broker, collector or gateway is away: no record of an answered call is lost."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from bouquet_gateway.journal import sender
from bouquet_mesh.outbox import memory
from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_mesh.outbox.open import open_outbox
from bouquet_mesh.secret import Secret
from bouquet_proto import access_record
from bouquet_registry.store import open_store
from tests.support.gateway_client import GatewayClient, token
from tests.support.mesh import mesh
from tests.support.mesh_with_journal import KEY, journal_settings, spooled_records
from tests.support.mesh_with_registry import MeshWithRegistry, mesh_with_registry, signed_token
from tests.support.outbox_collector import CollectedRecords, collecting
from tests.support.people import CAF_ALLOCATAIRE
from tests.support.processes import Process, process_mesh
from tests.support.proxy import TcpProxy
from tests.support.waiting import until

INTROSPECT = "/api/introspect"


@pytest.fixture(autouse=True)
def fast_sender(monkeypatch: pytest.MonkeyPatch, fast_reconnection: None) -> None:
    monkeypatch.setattr(sender, "PAUSE_S", 0.01)
    monkeypatch.setattr(sender, "RETRY_S", 0.02)
    monkeypatch.setattr(sender, "LAST_ROUND_S", 0.2)
    monkeypatch.setattr(memory, "SEND_TIMEOUT_S", 0.1)


async def test_without_a_collector_calls_are_answered_and_records_wait(tmp_path: Path) -> None:
    outbox = MemoryOutbox()
    async with mesh(outbox=outbox, **journal_settings(tmp_path)) as client:
        for _ in range(20):
            assert (await client.get(INTROSPECT)).status == 200
        assert len(spooled_records(tmp_path)) == 20
        async with collecting(outbox) as archive:
            await until(lambda: len(ids(archive)) == 20)
            await until(lambda: not spooled_records(tmp_path))


async def test_a_restarted_gateway_sends_the_records_left_in_the_spool(tmp_path: Path) -> None:
    async with mesh(outbox=MemoryOutbox(), **journal_settings(tmp_path)) as client:
        for _ in range(5):
            await client.get(INTROSPECT)
    left = {access_record.decode(record).id for record in spooled_records(tmp_path)}
    assert len(left) == 5
    outbox = MemoryOutbox()
    async with collecting(outbox) as archive, mesh(outbox=outbox, **journal_settings(tmp_path)):
        await until(lambda: ids(archive) == left)
        await until(lambda: not spooled_records(tmp_path))


async def test_a_filling_spool_is_reported_a_full_one_refuses_calls_and_recovers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = MemoryOutbox()
    async with mesh(outbox=outbox, **journal_settings(tmp_path, journal_spool_max_bytes=20_000)) as client:
        statuses = []
        while (answer := await client.get(params=CAF_ALLOCATAIRE)).status == 200:
            statuses.append(said(caplog))
        assert statuses[0] == []
        assert "journal spool is filling" in statuses[-1]
        assert (answer.status, answer.codes, answer.headers["Retry-After"]) == (503, ["00521"], "30")
        assert (await client.get("/api/v2/composition-familiale")).json["error"] == "overloaded"
        client.clear_received()
        assert (await client.get(params=CAF_ALLOCATAIRE, headers={"Cache-Control": "no-cache"})).status == 503
        assert client.call_counts == {"cnaf": 0, "msa": 0}
        assert (await client.get("/readyz")).json == {"status": "waiting", "for": ["journal"]}
        assert (await client.get("/livez")).status == 200
        used, most = await gauges(client)
        assert 0.95 * most <= used <= most == 20_000
        async with collecting(outbox) as archive:
            await until(lambda: not REGISTRY.get_sample_value("bouquet_gateway_journal_spool_bytes"))
            assert (await client.get(params=CAF_ALLOCATAIRE)).status == 200
            assert (await client.get("/readyz")).status == 200
            await until(lambda: len(ids(archive)) == len(statuses) + 1)


async def test_data_is_not_answered_when_its_record_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mesh(outbox=MemoryOutbox(), **journal_settings(tmp_path, journal_spool_max_bytes=1)) as client:
        monkeypatch.setattr("bouquet_gateway.journal.spool.FULL_AT", 2.0)
        answer = await client.get(params=CAF_ALLOCATAIRE)
        assert (answer.status, answer.codes) == (503, ["00521"])
        assert b"LE GOUADEC" not in answer.body
        assert client.call_counts["cnaf"] == 1


async def test_a_record_of_a_refused_token_has_its_habilitation(tmp_path: Path) -> None:
    outbox = MemoryOutbox()
    async with (
        open_store(Secret(f"sqlite:///{tmp_path}/registry.db")) as store,
        mesh_with_registry("memory:", store) as here,
        collecting(outbox) as archive,
    ):
        await calls_of_a_town(here, outbox, tmp_path)
        await until(lambda: len(ids(archive)) == 2)
        once = {access.id: access for access in map(access_record.decode, archive.bodies)}
        accesses = sorted(once.values(), key=lambda access: access.at)
    assert [access.status for access in accesses] == [200, 403], "who is unknown writes nothing"
    assert accesses[0].habilitation == accesses[1].habilitation != ""
    assert accesses[0].token == accesses[1].token != ""
    assert (accesses[0].provider, accesses[0].regime) == ("acme", "")


async def calls_of_a_town(here: MeshWithRegistry, outbox: MemoryOutbox, folder: Path) -> None:
    """Makes three calls and asserts their outcomes: one from an IP address that its token allows, one from an address
    that the token does not allow, and one with an unknown token."""
    issued = await here.issue_token(allowed_ips=("192.0.2.1",))
    gate = await here.start_gateway(outbox=outbox, trusted_proxies=("127.0.0.1",), **journal_settings(folder / "spool"))
    assert await gate.outcome(signed_token(issued), **{"X-Forwarded-For": "192.0.2.1"}) == "200"
    assert await gate.outcome(signed_token(issued), **{"X-Forwarded-For": "192.0.2.2"}) == "403 00107"
    assert await gate.outcome(signed_token(str(uuid.uuid4()))) == "401 00101"


@pytest.mark.broker
async def test_a_killed_gateway_loses_no_record_of_an_answered_call(broker_url: str, tmp_path: Path) -> None:
    async with TcpProxy(broker_url) as relay, open_outbox(broker_url, "tests") as outbox, collecting(outbox) as archive:
        async with gateways(relay.url, tmp_path, 2) as started:
            for _, client in started:
                for _ in range(25):
                    assert (await client.get(INTROSPECT)).status == 200
            await asyncio.gather(*(process.kill() for process, _ in started))
        waiting = {access_record.decode(record).id for record in spooled_records(tmp_path)}
        assert len(waiting) == 50
        assert archive.bodies == []
        await relay.open()
        async with gateways(relay.url, tmp_path, 2):
            await until(lambda: ids(archive) == waiting)
            await until(lambda: not spooled_records(tmp_path))


@pytest.mark.broker
async def test_every_call_under_load_is_recorded_through_a_broken_network(broker_url: str, tmp_path: Path) -> None:
    async with (
        TcpProxy(broker_url) as relay,
        open_outbox(broker_url, "tests") as outbox,
        collecting(outbox) as archive,
        open_outbox(relay.url, "gateway") as theirs,
        mesh(outbox=theirs, **journal_settings(tmp_path)) as client,
    ):
        for n in range(200):
            if n % 50 == 0:
                await relay.open()
            if n % 50 == 25:
                await relay.close()
            assert (await client.get(INTROSPECT, token=token(id=str(uuid.uuid4())))).status == 200
        await relay.open()
        await until(lambda: len(ids(archive)) == 200)
        assert len({access_record.decode(body).token for body in archive.bodies}) == 200


@asynccontextmanager
async def gateways(bus_url: str, spool: Path, count: int) -> AsyncIterator[list[tuple[Process, GatewayClient]]]:
    own = journal_settings(spool, journal="true", journal_key=f"{KEY.name}:{KEY.secret.reveal()}")
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(process_mesh(bus_url))
        yield await asyncio.gather(*(system.gateway(**own) for _ in range(count)))


async def gauges(client: GatewayClient) -> tuple[float, float]:
    lines = (await client.get("/metrics")).body.decode().splitlines()
    values = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}
    names = ("bouquet_gateway_journal_spool_bytes", "bouquet_gateway_journal_spool_max_bytes")
    return values[names[0]], values[names[1]]


def ids(archive: CollectedRecords) -> set[str]:
    return {access_record.decode(body).id for body in archive.bodies}


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "bouquet_gateway.journal.spool"]

"""Tests of `bouquet-gateway doctor` on real servers: it reports each fault with a remedy and without a secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import trustme
from yarl import URL

from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.secret import Secret
from bouquet_proto.names import reserve_queue_of
from bouquet_registry.store import Store, open_store
from tests.support.broker import Broker
from tests.support.broker_users import restricted_vhost
from tests.support.bus import connected_bus, reply_found, serving
from tests.support.daemon import free_port
from tests.support.doctor_report import Report, run_doctor
from tests.support.gateway_client import TOKEN_KEY
from tests.support.mesh_with_registry import AcmeProvider, MeshWithRegistry, mesh_with_registry
from tests.support.processes import running_command
from tests.support.rabbitmq import RabbitNode
from tests.support.redis import RedisServer
from tests.support.tls import HOST, TlsRedis, certificate_files

pytestmark = pytest.mark.broker

JOURNAL_KEY = "2026:what the journal of the tests names persons by"
PASSWORD = "swordfish-of-the-tests"


async def doctor(bus_url: str, *arguments: str, **settings: str) -> Report:
    own = {"token_key": TOKEN_KEY.reveal(), "providers": "acme", "journal": "false"}
    environ = {f"BOUQUET_GATEWAY_{name.upper()}": value for name, value in (own | settings).items()}
    report = await run_doctor({"BOUQUET_BUS_URL": bus_url, **environ}, "bouquet-gateway", "doctor", *arguments)
    assert TOKEN_KEY.reveal() not in report.text
    assert PASSWORD not in report.text
    return report if report.status == 2 else report.without("safeguards")  # safeguards are tested in test_safeguards.py


@asynccontextmanager
async def opened(bus_url: str, folder: Path) -> AsyncIterator[MeshWithRegistry]:
    async with (
        open_store(Secret(f"sqlite:///{folder / 'registry.db'}")) as store,
        mesh_with_registry(bus_url, store) as made,
    ):
        yield made


async def test_doctor_finds_no_fault_in_a_working_deployment(
    broker_url: str, redis_server: RedisServer, tmp_path: Path
) -> None:
    async with opened(broker_url, tmp_path):
        report = await doctor(broker_url, cache_url=redis_server.url)
    assert (report.status, report.wrong_subjects()) == (0, set())
    assert report.finding("queue of acme") == "well: 1 consumers, 0 messages wait"
    assert report.finding("worker of acme") == "well: answers with its offer"
    assert report.finding("registry") == "well: answers, and so does its database"
    assert report.finding("rights on the broker").startswith("well")
    assert report.finding("clock").startswith("well: ")


async def test_doctor_leaves_no_queue_or_file_behind(rabbit: RabbitNode, tmp_path: Path) -> None:
    url = rabbit.vhost()
    vhost = URL(url).path.removeprefix("/")
    spool = tmp_path / "spool"
    spool.mkdir()
    await doctor(url, tokens_from="claims", journal="true", journal_key=JOURNAL_KEY, journal_spool=str(spool))
    assert (await rabbit.control("list_queues", "--vhost", vhost, "name")).strip() in ("", "name")
    assert list(spool.iterdir()) == []


async def test_doctor_prints_text_or_json(broker_url: str) -> None:
    environ = {
        "BOUQUET_BUS_URL": broker_url,
        "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
        "BOUQUET_GATEWAY_PROVIDERS": "acme",
        "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
    }
    async with running_command(environ, "bouquet-gateway", "doctor") as process:
        assert await process.wait() == 1
    assert "WRONG queue of acme: is not there: no worker is connected\n" in process.output
    assert "-> start `bouquet-worker run acme`, and see its log" in process.output


async def test_doctor_reports_wrong_settings_first() -> None:
    report = await doctor("amqp://127.0.0.1:1/", token_key="short", nonsense="1")
    assert report.status == 2
    assert "BOUQUET_GATEWAY_NONSENSE: unknown setting" in report.text


async def test_doctor_reports_a_token_key_that_is_too_short() -> None:
    report = await doctor("amqp://127.0.0.1:1/", token_key="short")
    assert (report.status, report.text) == (2, "BOUQUET_GATEWAY_TOKEN_KEY: must have 32 bytes at least\n")


async def test_doctor_reports_a_broker_that_is_down() -> None:
    report = await doctor(f"amqp://guest:{PASSWORD}@127.0.0.1:{free_port()}/")
    assert (report.status, report.wrong_subjects()) == (1, {"broker"})
    assert "cannot be reached" in report.finding("broker")


async def test_doctor_reports_a_broker_that_hangs() -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        report = await doctor(f"amqp://guest:{PASSWORD}@127.0.0.1:{port}/")
    assert report.finding("broker") == f"wrong: 127.0.0.1:{port} does not answer in 1.9 s"


async def test_each_node_of_a_broker_is_reported_on_its_own(broker_url: str) -> None:
    url, dead = URL(broker_url), free_port()
    alive = f"127.0.0.1:{url.port}"
    report = await doctor(broker_url.replace(alive, f"127.0.0.1:{dead},{alive}"), tokens_from="claims")
    assert report.finding(f"broker {alive}") == f"well: connected to {alive}"
    assert report.finding(f"broker 127.0.0.1:{dead}").startswith(f"wrong: 127.0.0.1:{dead} cannot be reached")
    assert report.finding("rights on the broker").startswith("well")
    assert report.finding("broker nodes").startswith("wrong: 1 of 2 can be reached: too few")
    assert report.wrong_subjects() == {f"broker 127.0.0.1:{dead}", "broker nodes", "queue of acme", "worker of acme"}


async def test_doctor_reports_what_the_loss_of_one_node_of_three_means(broker_url: str) -> None:
    url, dead = URL(broker_url), free_port()
    alive = f"{url.host}:{url.port}"
    report = await doctor(broker_url.replace(alive, f"127.0.0.1:{dead},{alive},localhost:{url.port}"))
    assert report.finding("broker nodes").startswith("wrong: 2 of 3 can be reached: calls go on by these")


async def test_doctor_reports_a_provider_whose_workers_use_its_reserve_queue(
    rabbit: RabbitNode, broker_url: str
) -> None:
    broker = Broker(rabbit, broker_url)
    async with connected_bus(broker_url) as worker, serving(worker, reply_found, provider="acme"):
        await broker.lose_queues()
        await broker.until(
            lambda: broker.rows("consumers", "queue_name"), lambda rows: [reserve_queue_of("acme")] in rows
        )
        report = await doctor(broker_url)
        assert report.finding("queue of acme").startswith("wrong: 1 consumers use its reserve queue")


async def test_doctor_reports_a_wrong_broker_password(broker_url: str) -> None:
    report = await doctor(str(URL(broker_url).with_password(PASSWORD)))
    assert "refuses the user or the password" in report.finding("broker")


async def test_doctor_reports_a_missing_vhost(broker_url: str) -> None:
    report = await doctor(f"{broker_url}-elsewhere")
    assert "has no such vhost for this user" in report.finding("broker")


@pytest.mark.parametrize("release", ["rabbitmq3", "rabbitmq4"])
async def test_doctor_needs_no_more_rights_than_a_gateway(
    release: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    guarded = restricted_vhost(request.getfixturevalue(release), tmp_path, "acme")
    async with open_bus(guarded.url("acme"), "acme") as bus, bus.serve("acme", AcmeProvider(), concurrency=1):
        report = await doctor(guarded.url("gateway"), tokens_from="claims")
    assert (report.status, report.wrong_subjects()) == (0, set())
    assert report.finding("queue of acme") == "well: 1 consumers, 0 messages wait"


async def test_doctor_reports_missing_broker_rights(rabbit: RabbitNode, tmp_path: Path) -> None:
    guarded = restricted_vhost(rabbit, tmp_path, "acme")
    report = await doctor(guarded.url("acme"))
    assert "the user may not do what a gateway does" in report.finding("rights on the broker")
    assert "bouquet.replies" in report.finding("rights on the broker")


async def test_doctor_reports_a_missing_worker_and_registry(broker_url: str) -> None:
    report = await doctor(broker_url)
    assert report.status == 1
    assert report.finding("queue of acme") == "wrong: is not there: no worker is connected"
    assert report.finding("worker of acme") == "wrong: does not answer (not_deployed)"
    assert report.finding("registry") == "wrong: does not answer (not_deployed)"


async def test_doctor_reports_what_a_gateway_would_not_serve_of_an_offer(broker_url: str) -> None:
    async with open_bus(broker_url, "acme") as bus, serving(bus, AcmeProvider(), provider="acme"):
        report = await doctor(broker_url, territories="acme:/v3/acme/")
    assert report.finding("worker of acme") == "well: answers with its offer"
    assert report.finding("offer of acme") == "wrong: path out of bounds: acme_v2_dossier"


async def test_doctor_reports_a_silent_registry(broker_url: str) -> None:
    async def never(_: object) -> Any:
        await asyncio.Event().wait()

    async with open_bus(broker_url, "registry") as bus, bus.serve("registry", never, concurrency=1, drain_s=0):
        report = await doctor(broker_url)
    assert report.finding("queue of registry").startswith("well: 1 consumers")
    assert report.finding("registry") == "wrong: does not answer (deadline_exceeded)"


async def test_doctor_reports_a_registry_without_database(broker_url: str, tmp_path: Path) -> None:
    async with opened(broker_url, tmp_path) as made:
        await lose_database(made.store)
        report = await doctor(broker_url)
    assert report.finding("registry") == "wrong: answers that it cannot read its database"


async def lose_database(store: Store) -> None:
    async with store.writing() as connection:
        await connection.exec_driver_sql("DROP TABLE log")


async def test_doctor_reports_a_journal_without_writer(broker_url: str, tmp_path: Path) -> None:
    report = await doctor(broker_url, journal="true", journal_key=JOURNAL_KEY, journal_spool=str(tmp_path / "spool"))
    assert report.finding("journal") == "wrong: its queue is not there: records wait in the gateways' spools"
    assert report.finding("journal spool").startswith("well: can be written")


async def test_doctor_reports_a_spool_that_cannot_be_written(broker_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    report = await doctor(broker_url, journal="true", journal_key=JOURNAL_KEY, journal_spool=str(tmp_path / "file"))
    assert report.finding("journal spool") == "wrong: cannot be written (Not a directory)"


async def test_doctor_reports_a_spool_that_is_filling(broker_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001-1.jsonl").write_bytes(b"x" * 900)
    own = {"journal": "true", "journal_key": JOURNAL_KEY, "journal_spool_max_bytes": "1000"}
    report = await doctor(broker_url, journal_spool=str(tmp_path), **own)
    assert report.finding("journal spool") == "wrong: holds 900 bytes of 1,000"


async def test_doctor_reports_a_redis_that_is_down(broker_url: str) -> None:
    report = await doctor(broker_url, cache_url=f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0")
    assert "cannot be reached" in report.finding("redis")
    assert report.finding("clock").startswith("unknown")


async def test_doctor_reports_a_wrong_redis_password(broker_url: str, redis_server: RedisServer) -> None:
    report = await doctor(broker_url, cache_url=redis_server.url.replace("//", f"//nobody:{PASSWORD}@"))
    assert "refuses the user or the password" in report.finding("redis")


async def test_doctor_reports_the_days_left_of_redis_s_certificate(broker_url: str, tmp_path: Path) -> None:
    own = certificate_files(tmp_path / "tls", ends_at=datetime.now(UTC) + timedelta(days=12, hours=1))
    with TlsRedis(tmp_path / "redis", own) as server:
        files = urlencode({"ssl_ca_certs": own.ca, "ssl_certfile": own.certificate, "ssl_keyfile": own.key})
        report = await doctor(broker_url, cache_url=f"rediss://{HOST}:{server.port}/0?{files}")
    assert report.finding(f"certificate of {HOST} (BOUQUET_GATEWAY_CACHE_URL)").startswith("wrong: ends on")


@pytest.mark.parametrize(("days", "told"), [(400, "well: good until"), (12, "wrong: ends on"), (-2, "wrong: ended on")])
async def test_doctor_reports_the_days_left_of_a_certificate(days: int, told: str, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    authority = trustme.CA()
    ends = datetime.now(UTC) + timedelta(days=days, hours=1)
    authority.issue_cert("localhost", not_after=ends).cert_chain_pems[0].write_to_path(str(ca))
    report = await doctor(f"amqps://guest:{PASSWORD}@127.0.0.1:{free_port()}/?cafile={ca}")
    assert report.finding("certificate of BOUQUET_BUS_URL (cafile)").startswith(told)


async def test_doctor_shows_each_provider_s_last_success(broker_url: str, tmp_path: Path) -> None:
    async with opened(broker_url, tmp_path) as made:
        gate = await made.start_gateway()
        report = await doctor(broker_url, "--url", gate.url)
    assert report.finding("gateway") == "well: is ready"
    assert report.finding("acme_dossier_identite") == "well: no success since it started"


async def test_doctor_reports_a_gateway_that_is_down(broker_url: str) -> None:
    report = await doctor(broker_url, "--url", f"http://127.0.0.1:{free_port()}")
    assert report.finding("gateway").startswith("wrong: does not answer as a gateway")

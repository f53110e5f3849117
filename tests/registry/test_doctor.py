"""Tests of `bouquet-registry doctor` with real servers: it finds what the registry and its journal lack."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import aio_pika
import pytest
from sqlalchemy.engine import make_url

from bouquet_mesh.secret import Secret
from bouquet_proto.names import JOURNAL_QUEUE
from bouquet_registry.store import open_store, upgrade
from tests.support.broker_users import restricted_vhost
from tests.support.daemon import free_port
from tests.support.doctor_report import Report, run_doctor
from tests.support.gateway_client import TOKEN_KEY
from tests.support.mail_server import mail_server
from tests.support.mesh_with_registry import mesh_with_registry
from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitNode
from tests.support.tls import HOST, TlsPostgres, certificate_files

pytestmark = pytest.mark.broker

PASSWORD = "swordfish-of-the-tests"


async def doctor(bus_url: str, database_url: str, **settings: str) -> Report:
    own = {"database_url": database_url, "signing_key": TOKEN_KEY.reveal()} | settings
    environ = {f"BOUQUET_REGISTRY_{name.upper()}": value for name, value in own.items()}
    report = await run_doctor({"BOUQUET_BUS_URL": bus_url, **environ}, "bouquet-registry", "doctor")
    assert TOKEN_KEY.reveal() not in report.text and PASSWORD not in report.text
    return report


async def test_the_doctor_finds_nothing_wrong_with_a_healthy_registry(
    broker_url: str, postgres_server: PostgresServer
) -> None:
    url = Secret(postgres_server.database())
    await upgrade(url)
    async with open_store(url) as store, mesh_with_registry(broker_url, store):
        report = await doctor(broker_url, url.reveal())
    assert report.wrong_subjects() == {"journal"}, "nobody collects it in this town"
    assert report.finding("database") == "well: answers, and has the tables of this version"
    assert report.finding("clock").startswith("well: ")
    assert report.finding("queue of registry") == "well: 1 consumers, 0 messages wait"
    assert "its queue can be made" in report.finding("rights on the broker")


async def test_the_rights_of_the_registry_suffice_for_its_doctor(rabbit: RabbitNode, tmp_path: Path) -> None:
    made = restricted_vhost(rabbit, tmp_path, "acme", registry_writes_journal=False)
    async with await aio_pika.connect(made.operator) as operator:
        await (await operator.channel()).declare_queue(JOURNAL_QUEUE, durable=True)
    report = await doctor(made.url("registry"), f"sqlite:///{tmp_path / 'registry.db'}")
    assert report.wrong_subjects() == {"queue of registry", "journal"}
    assert report.finding("journal") == "wrong: is not written; 0 records wait in its queue"


async def test_the_doctor_finds_a_database_without_tables(broker_url: str, postgres_server: PostgresServer) -> None:
    report = await doctor(broker_url, postgres_server.database())
    assert "other tables than ours" in report.finding("database")


async def test_the_doctor_finds_an_unavailable_database_and_mail_server(broker_url: str) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    report = await doctor(
        broker_url, f"postgresql://bouquet:{PASSWORD}@{nowhere}/bouquet", notices_to=f"smtp://u:{PASSWORD}@{nowhere}"
    )
    assert report.finding("database").startswith("wrong: is away")
    assert "cannot be reached" in report.finding("the way to BOUQUET_REGISTRY_NOTICES_TO")


async def test_the_doctor_reports_the_days_left_of_certificates_of_database_and_mail_server(
    broker_url: str, tmp_path: Path
) -> None:
    own = certificate_files(tmp_path, ends_at=datetime.now(UTC) + timedelta(days=12, hours=1))
    with TlsPostgres(own) as server:
        url = make_url(server.database()).set(host=HOST, query={}).render_as_string(hide_password=False)
        async with mail_server(own) as (_, notices_to):
            query = urlencode({"sslmode": "verify-full", "sslrootcert": own.ca})
            report = await doctor(broker_url, f"{url}?{query}", notices_to=notices_to)
    assert report.finding(f"certificate of {HOST} (BOUQUET_REGISTRY_DATABASE_URL)").startswith("wrong: ends on")
    assert "its certificate: ends on" in report.finding("the way to BOUQUET_REGISTRY_NOTICES_TO")


async def test_an_unusable_signing_key_is_a_wrong_setting(broker_url: str, tmp_path: Path) -> None:
    report = await doctor(broker_url, f"sqlite:///{tmp_path / 'registry.db'}", signing_key="short")
    assert report.status == 2 and "BOUQUET_REGISTRY_SIGNING_KEY" in report.text


async def test_the_doctor_finds_a_missing_broker(tmp_path: Path) -> None:
    report = await doctor("memory:", f"sqlite:///{tmp_path / 'registry.db'}")
    assert report.finding("broker").startswith("wrong: no gateway reaches a registry alone")

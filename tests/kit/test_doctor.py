"""Tests of `bouquet-worker doctor` with real servers: it reports why a worker cannot reach its broker or upstream."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.listen import listening
from bouquet_msa.simulator import simulator
from bouquet_msa.worker import worker
from bouquet_proto.messages import Describe, Found
from bouquet_proto.offer import digest_of
from bouquet_worker.doctor import examine
from bouquet_worker.simulate import RECEIVED
from tests.support.broker_users import restricted_vhost
from tests.support.daemon import free_port
from tests.support.doctor_report import Report, run_doctor
from tests.support.gateway_client import TOKEN_KEY
from tests.support.programs import started, until_status
from tests.support.rabbitmq import RabbitNode
from tests.support.tls import certificate_files, tls_site

pytestmark = pytest.mark.broker

HUB, TOKEN = "the way to BOUQUET_MSA_HUB_URL", "the way to BOUQUET_MSA_HUB_TOKEN_URL"


@pytest.fixture
def hub() -> web.Application:
    return simulator.app()


@pytest.fixture
async def settings(hub: web.Application) -> AsyncIterator[Mapping[str, str]]:
    async with listening(hub, "127.0.0.1", 0) as url:
        yield simulator.settings(url)


async def doctor(bus_url: str, settings: Mapping[str, str]) -> Report:
    report = await run_doctor({**settings, "BOUQUET_BUS_URL": bus_url}, "bouquet-worker", "doctor", "msa")
    assert settings["BOUQUET_MSA_HUB_CLIENT_SECRET"] not in report.text
    return report


async def test_doctor_finds_nothing_wrong_with_a_running_worker(
    rabbit: RabbitNode, settings: Mapping[str, str], hub: web.Application, tmp_path: Path
) -> None:
    made = restricted_vhost(rabbit, tmp_path, "msa")
    async with (
        open_bus(made.url("gateway"), "gateway"),  # it declares the exchange of replies
        open_bus(made.url("msa"), "msa") as bus,
        worker.running(bus, settings),
    ):
        report = await doctor(made.url("msa"), settings)
    assert (report.status, report.wrong_subjects()) == (0, set())
    assert report.finding("rights on the broker").startswith("well")
    assert report.finding("queue of msa") == "well: 1 consumers, 0 messages wait"
    assert report.finding(HUB).endswith("can be reached") and report.finding(TOKEN).startswith("well")
    assert report.finding("token for msa hub") == "well: was obtained"
    assert {received.path for received in hub[RECEIVED]} == {URL(settings["BOUQUET_MSA_HUB_TOKEN_URL"]).path}


async def test_doctor_reports_a_worker_that_does_not_run_and_leaves_no_queue(
    rabbit: RabbitNode, settings: Mapping[str, str]
) -> None:
    url = rabbit.vhost()
    report = await doctor(url, settings)
    assert (report.status, report.wrong_subjects()) == (1, {"queue of msa"})
    assert "msa" not in await rabbit.control("list_queues", "--vhost", URL(url).path.removeprefix("/"), "name")


async def test_doctor_reports_a_broker_user_with_the_rights_of_another_provider(
    rabbit: RabbitNode, settings: Mapping[str, str], tmp_path: Path
) -> None:
    report = await doctor(restricted_vhost(rabbit, tmp_path, "cnaf").url("cnaf"), settings)
    assert "the user may not do what a worker does" in report.finding("rights on the broker")


async def test_doctor_reports_what_gateways_refuse_of_the_offer(
    broker_url: str, settings: Mapping[str, str], tmp_path: Path
) -> None:
    environ = {**settings, "BOUQUET_BUS_URL": broker_url, "BOUQUET_WORKER_HEALTH_PORT": str(free_port())}
    with started(tmp_path / "log", environ, "bouquet_worker", "run", "msa"):
        await until_status(f"http://127.0.0.1:{environ['BOUQUET_WORKER_HEALTH_PORT']}/readyz", 200)
        async with open_bus(broker_url, "gateway") as bus:
            offer = await bus.call("msa", Describe(id="1", deadline=time.time() + 60))
            assert isinstance(offer, Found)
            refusal = Describe(
                id="2", deadline=time.time() + 60, offer=digest_of(bytes(offer.data)), refused=("rule unknown: msa_qf",)
            )
            await bus.call("msa", refusal)
        report = await run_doctor(environ, "bouquet-worker", "doctor", "msa")
    assert report.finding("worker") == "wrong: is not ready: offer refused: rule unknown: msa_qf"


async def test_doctor_reports_an_upstream_that_cannot_be_reached(broker_url: str, settings: Mapping[str, str]) -> None:
    away = {"BOUQUET_MSA_HUB_URL": f"http://127.0.0.1:{free_port()}/qf"}
    unknown = {"BOUQUET_MSA_HUB_TOKEN_URL": "https://hub.invalid/token"}
    report = await doctor(broker_url, {**settings, **away, **unknown})
    assert report.wrong_subjects() >= {HUB, TOKEN}
    assert "cannot be reached" in report.finding(HUB)


async def test_doctor_reports_refused_credentials_and_an_answer_without_a_token(
    settings: Mapping[str, str],
) -> None:
    bus = {"BOUQUET_BUS_URL": f"amqp://127.0.0.1:{free_port()}/"}
    refused = await examine(worker, {**settings, **bus, "BOUQUET_MSA_HUB_CLIENT_SECRET": "another"})
    elsewhere = {"BOUQUET_MSA_HUB_TOKEN_URL": settings["BOUQUET_MSA_HUB_URL"] + "/nowhere"}
    missing = await examine(worker, {**settings, **bus, **elsewhere})
    [first], [second] = (
        [f"{one.state}: {one.says}" for one in findings if one.subject.startswith("token for")]
        for findings in (refused, missing)
    )
    assert first == "wrong: cannot be obtained (upstream_unknown, credentials refused)"
    assert second == "wrong: cannot be obtained (upstream_unknown, no token in the answer, status 404)"


async def test_doctor_reports_an_untrusted_certificate_and_when_a_trusted_one_expires(
    broker_url: str, tmp_path: Path
) -> None:
    own = certificate_files(tmp_path)
    async with tls_site(web.Application(), own) as url:
        settings = simulator.settings(url)
        assert "TLS to localhost" in (await doctor(broker_url, settings)).finding(HUB)
        vouched = await doctor(broker_url, {**settings, "BOUQUET_MSA_HUB_CA_PATH": str(own.ca)})
    assert "can be reached; its certificate: good until" in vouched.finding(HUB)
    assert vouched.finding("certificate of BOUQUET_MSA_HUB_CA_PATH").startswith("well: good until")


async def test_doctor_reports_wrong_settings_before_it_checks_anything(settings: Mapping[str, str]) -> None:
    report = await doctor("amqp://127.0.0.1:1/", {**settings, "BOUQUET_MSA_HUB_URI": TOKEN_KEY.reveal()})
    assert (report.status, report.text) == (2, "BOUQUET_MSA_HUB_URI: unknown setting; is it BOUQUET_MSA_HUB_URL?\n")

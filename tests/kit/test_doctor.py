"""`bouquet-worker doctor` on real servers: what keeps a worker from broker or fund is told, and no fund is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.listen import listening
from bouquet_msa.simulator import simulator
from bouquet_msa.worker import worker
from bouquet_worker.simulate import RECEIVED
from tests.support.broker_users import guard
from tests.support.daemon import free_port
from tests.support.doctor_report import Report, report_of
from tests.support.gateway_client import TOKEN_KEY
from tests.support.rabbitmq import RabbitNode
from tests.support.tls import papers, tls_site

pytestmark = pytest.mark.broker

HUB, TOKEN = "the way to BOUQUET_MSA_HUB_URL", "the way to BOUQUET_MSA_HUB_TOKEN_URL"


@pytest.fixture
def fund() -> web.Application:
    return simulator.app()


@pytest.fixture
async def settings(fund: web.Application) -> AsyncIterator[Mapping[str, str]]:
    async with listening(fund, "127.0.0.1", 0) as url:
        yield simulator.settings(url)


async def doctor(bus_url: str, settings: Mapping[str, str]) -> Report:
    report = await report_of({**settings, "BOUQUET_BUS_URL": bus_url}, "bouquet-worker", "doctor", "msa")
    assert settings["BOUQUET_MSA_HUB_CLIENT_SECRET"] not in report.text
    return report


async def test_a_worker_that_is_well_has_its_rights_and_a_way_to_its_fund(
    rabbit: RabbitNode, settings: Mapping[str, str], fund: web.Application, tmp_path: Path
) -> None:
    made = guard(rabbit, tmp_path, "msa")
    async with (
        open_bus(made.url("gateway"), "gateway"),  # it makes the exchange of replies
        open_bus(made.url("msa"), "msa") as bus,
        worker.running(bus, settings),
    ):
        report = await doctor(made.url("msa"), settings)
    assert (report.status, report.wrongs()) == (0, set())
    assert report.of("rights on the broker").startswith("well")
    assert report.of("queue of msa") == "well: 1 consumers, 0 messages wait"
    assert report.of(HUB).endswith("can be reached") and report.of(TOKEN).startswith("well")
    assert fund[RECEIVED] == []


async def test_a_worker_that_does_not_run_is_told_and_its_queue_does_not_stay(
    rabbit: RabbitNode, settings: Mapping[str, str]
) -> None:
    url = rabbit.vhost()
    report = await doctor(url, settings)
    assert (report.status, report.wrongs()) == (1, {"queue of msa"})
    assert "msa" not in await rabbit.control("list_queues", "--vhost", URL(url).path.removeprefix("/"), "name")


async def test_the_rights_of_another_provider_are_not_enough(
    rabbit: RabbitNode, settings: Mapping[str, str], tmp_path: Path
) -> None:
    report = await doctor(guard(rabbit, tmp_path, "cnaf").url("cnaf"), settings)
    assert "the user may not do what a worker does" in report.of("rights on the broker")


async def test_a_fund_without_a_way_to_it(broker_url: str, settings: Mapping[str, str]) -> None:
    away = {"BOUQUET_MSA_HUB_URL": f"http://127.0.0.1:{free_port()}/qf"}
    unknown = {"BOUQUET_MSA_HUB_TOKEN_URL": "https://hub.invalid/token"}
    report = await doctor(broker_url, {**settings, **away, **unknown})
    assert report.wrongs() >= {HUB, TOKEN}
    assert "cannot be reached" in report.of(HUB)


async def test_a_fund_that_is_another_and_the_end_of_its_certificate(broker_url: str, tmp_path: Path) -> None:
    own = papers(tmp_path)
    async with tls_site(web.Application(), own) as url:
        settings = simulator.settings(url)
        assert "TLS to localhost" in (await doctor(broker_url, settings)).of(HUB)
        vouched = await doctor(broker_url, {**settings, "BOUQUET_MSA_HUB_CA_PATH": str(own.ca)})
    assert "can be reached; its certificate: good until" in vouched.of(HUB)
    assert vouched.of("certificate of BOUQUET_MSA_HUB_CA_PATH").startswith("well: good until")


async def test_wrong_settings_are_told_before_anything_is_looked_at(settings: Mapping[str, str]) -> None:
    report = await doctor("amqp://127.0.0.1:1/", {**settings, "BOUQUET_MSA_HUB_URI": TOKEN_KEY.reveal()})
    assert (report.status, report.text) == (2, "BOUQUET_MSA_HUB_URI: unknown setting; is it BOUQUET_MSA_HUB_URL?\n")

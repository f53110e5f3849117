"""Tests of `bouquet-worker run` as a process, with its environment, health endpoints and signals."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from bouquet_cnaf.simulator import simulator
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.listen import listening
from bouquet_proto.messages import Found
from bouquet_worker.__main__ import main
from bouquet_worker.testing import cases_in
from bouquet_worker.testing.harness import TODAY, FaultInjector, HeldRequest, lookup_of, simulating
from tests.support.daemon import free_port
from tests.support.programs import ended, output_of, started, status_of, until_status
from tests.support.waiting import TEST_TIMEOUT_S

CASES = cases_in(Path(__file__).parents[2] / "services" / "providers" / "cnaf" / "cases")
COUPLE = next(case for case in CASES if case.name == "composition_of_a_couple")


def health_at(port: int) -> dict[str, str]:
    return {"BOUQUET_WORKER_HEALTH_PORT": str(port)}


@pytest.fixture
async def settings() -> AsyncIterator[Mapping[str, str]]:
    async with listening(simulator.app(), "127.0.0.1", 0) as url:
        yield simulator.settings(url)


@pytest.fixture
def on_broker(settings: Mapping[str, str], broker_url: str) -> Mapping[str, str]:
    return {**settings, "BOUQUET_BUS_URL": broker_url}


@pytest.mark.broker
async def test_a_running_worker_is_alive_and_ready_and_shows_metrics(
    on_broker: Mapping[str, str], tmp_path: Path
) -> None:
    port = free_port()
    with started(tmp_path / "log", {**on_broker, **health_at(port)}, "bouquet_worker", "run", "cnaf"):
        url = f"http://127.0.0.1:{port}"
        await until_status(f"{url}/readyz", 200)
        assert await status_of(f"{url}/livez") == 200
        async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
            assert 'bouquet_upstream_breaker_open{provider="cnaf",upstream="cnaf hub"} 0.0' in await answer.text()


@pytest.mark.broker
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_ends_on_sigterm_and_sigint(on_broker: Mapping[str, str], tmp_path: Path, number: int) -> None:
    port = free_port()
    with started(tmp_path / "log", {**on_broker, **health_at(port)}, "bouquet_worker", "run", "cnaf") as process:
        await until_status(f"http://127.0.0.1:{port}/readyz", 200)
        process.send_signal(number)
        assert await ended(process, within_s=TEST_TIMEOUT_S) == 0
    assert '"worker stopping"' in (tmp_path / "log").read_text()


async def test_a_worker_without_a_broker_is_alive_and_not_ready(settings: Mapping[str, str], tmp_path: Path) -> None:
    port = free_port()
    broker = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    environ = {**settings, **health_at(port), "BOUQUET_BUS_URL": broker, "BOUQUET_VERSION": "3"}
    with started(tmp_path / "log", environ, "bouquet_worker", "run", "cnaf") as process:
        await until_status(f"http://127.0.0.1:{port}/livez", 200)
        assert await status_of(f"http://127.0.0.1:{port}/readyz") == 503
        process.terminate()
        assert await ended(process, within_s=TEST_TIMEOUT_S) == 0


async def test_a_worker_names_every_wrong_setting_and_no_value(settings: Mapping[str, str], tmp_path: Path) -> None:
    wrong = {
        "BOUQUET_BUS_URL": "localhost",
        "BOUQUET_LOG_LEVEL": "loudly",
        "BOUQUET_WORKER_HEALTH_PORT": "eighty",
        "BOUQUET_WORKER_HEALTH_PROT": "8081",
        "BOUQUET_CNAF_CONCURRENCY": "-7",
        "BOUQUET_CNAF_HUB_TIMEOUT_S": "long",
        "BOUQUET_CNAF_HUB_CLIENT_SECRET": "",
        "BOUQUET_CNAF_HUB_CLIENT_SECRTE": "kept-to-ourselves",
    }
    with started(tmp_path / "log", {**settings, **wrong}, "bouquet_worker", "run", "cnaf") as process:
        assert await ended(process, within_s=TEST_TIMEOUT_S) == 2
    told = (tmp_path / "log").read_text()
    assert {line.partition(":")[0] for line in told.splitlines()} == wrong.keys()
    assert not [value for value in wrong.values() if value and value in told]


async def test_a_malformed_bus_url_is_a_wrong_setting(settings: Mapping[str, str], tmp_path: Path) -> None:
    environ = {**settings, "BOUQUET_BUS_URL": "amqp:/guest:kept-to-ourselves@broker"}
    with started(tmp_path / "log", environ, "bouquet_worker", "run", "cnaf") as process:
        assert await ended(process, within_s=TEST_TIMEOUT_S) == 2
    told = (tmp_path / "log").read_text()
    assert told == "BOUQUET_BUS_URL: must be memory: or amqp(s)://…\n"


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        (
            "BOUQUET_BUS_URI",
            "BOUQUET_BUS_URI: unknown setting; is it BOUQUET_BUS_URL?\n"
            "BOUQUET_BUS_URL: is required: a worker alone reaches no other process on memory:",
        ),
        ("BOUQUET_BROKER_URL", "BOUQUET_BUS_URL: is required: a worker alone reaches no other process on memory:"),
    ],
)
async def test_a_worker_does_not_start_without_the_url_of_a_broker(
    settings: Mapping[str, str], tmp_path: Path, variable: str, told: str
) -> None:
    environ = {**settings, variable: "amqp://broker/"}
    with started(tmp_path / "log", environ, "bouquet_worker", "run", "cnaf") as process:
        assert await ended(process, within_s=TEST_TIMEOUT_S) == 2
    assert (tmp_path / "log").read_text() == f"{told}\n"


def test_the_help_of_bouquet_worker_lists_the_commands_of_other_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "casebook serve the sandbox: answer on the bus for every installed worker, from case files" in told
    assert "check-cases list case files that are unreadable" in told


def test_run_refuses_a_provider_that_is_not_installed() -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        output_of({}, "bouquet_worker", "run", "nobody")
    assert raised.value.returncode == 2
    assert "cnaf" in output_of({}, "bouquet_worker", "list").split()


@pytest.mark.broker
async def test_a_worker_answers_a_running_request_after_sigterm(broker_url: str, tmp_path: Path) -> None:
    """Tests that a worker finishes a running request after SIGTERM. Until it has answered, it is alive (`/livez`) but
    not ready (`/readyz`)."""
    held, port = HeldRequest(), free_port()
    health = f"http://127.0.0.1:{port}"
    async with (
        simulating(simulator, simulator.app(), FaultInjector(held, 0), TODAY) as settings,
        open_bus(broker_url, "test") as bus,
    ):
        environ = {**settings, **health_at(port), "BOUQUET_BUS_URL": broker_url}
        with started(tmp_path / "log", environ, "bouquet_worker", "run", "cnaf") as process:
            await until_status(f"{health}/readyz", 200)
            question = asyncio.create_task(bus.call("cnaf", lookup_of(COUPLE)))
            async with asyncio.timeout(TEST_TIMEOUT_S):
                await held.arrived.wait()
            process.terminate()
            await until_status(f"{health}/readyz", 503)
            assert await status_of(f"{health}/livez") == 200
            held.release.set()
            assert isinstance(await question, Found)
            assert await ended(process, within_s=TEST_TIMEOUT_S) == 0

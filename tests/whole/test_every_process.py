"""Tests that every process has health and metrics over HTTP, even while no broker runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession
from msgspec import Struct
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from bouquet_mesh.observe import metrics
from bouquet_worker.simulate import Simulator
from tests.support.daemon import free_port
from tests.support.gateway_client import TOKEN_KEY
from tests.support.mesh import PROVIDERS
from tests.support.processes import Process, running_command
from tests.support.waiting import until

LONG_S = 60.0
SIMULATORS = re.compile(r"^simulators on (http://\S+)$", re.MULTILINE)


class Kind(Struct, frozen=True):
    command: tuple[str, ...]
    started: str
    """Message of the log event whose field `port` or `health_url` tells the process's port. Empty if the process prints
    its URL instead."""
    service: str
    processes: int = 1
    """Number of processes that share the port. If there are several, the first one also listens on the next port."""


KINDS = {
    "gateway": Kind(("bouquet-gateway", "serve"), "gateway started", "bouquet-gateway"),
    "one of several gateways": Kind(
        ("bouquet-gateway", "serve", "--processes", "2"), "gateway started", "bouquet-gateway", processes=2
    ),
    "worker": Kind(("bouquet-worker", "run", "cnaf"), "worker started", "bouquet-cnaf"),
    "registry": Kind(("bouquet-registry", "serve"), "registry started", "bouquet-registry"),
    "journal": Kind(("bouquet-registry", "journal", "serve"), "journal started", "bouquet-registry-journal"),
    "simulators": Kind(("bouquet-worker", "simulators", "--port", "0"), "", "bouquet-simulators"),
}


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    """Returns settings with which any process of the mesh starts. No broker listens at the URLs among them."""
    simulator: Simulator = PROVIDERS["cnaf"][1]
    return {
        **simulator.settings("http://127.0.0.1:9"),
        "BOUQUET_BUS_URL": f"amqp://guest:guest@127.0.0.1:{free_port()}/",
        "BOUQUET_GATEWAY_PORT": str(_ports_in_a_row(3)),
        "BOUQUET_GATEWAY_PROVIDERS": "cnaf",
        "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
        "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
        "BOUQUET_REGISTRY_DATABASE_URL": f"sqlite:///{tmp_path}/registry.db",
        "BOUQUET_REGISTRY_PORT": "0",
    }


def _ports_in_a_row(count: int) -> int:
    """Returns the first of `count` consecutive free ports."""
    while True:
        first = free_port()
        if all(free_port() == first + n for n in range(1, count)):
            return first


@asynccontextmanager
async def started(kind: Kind, environ: Mapping[str, str]) -> AsyncIterator[str]:
    """Runs a process of this kind and yields the URL of its health and metrics."""
    async with running_command(environ, *kind.command) as process:
        yield await (_url(process, kind) if kind.started else _printed(process))
        assert await process.stop() == 0


async def _url(process: Process, kind: Kind) -> str:
    line = await process.until_logged(kind.started, times=kind.processes, within_s=LONG_S)
    return str(line.get("health_url") or f"http://127.0.0.1:{line['port'] + kind.processes - 1}")


async def _printed(process: Process) -> str:
    await until(lambda: SIMULATORS.search(process.output) is not None, within_s=LONG_S)
    [url] = SIMULATORS.findall(process.output)
    return str(url)


def common() -> Iterator[str]:
    """Yields the names of the metrics that every process must export."""
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            [family] = metric.describe()
            yield family.name


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_every_process_exports_the_common_metrics_and_its_event_loop_lag(
    kind: Kind, environ: Mapping[str, str]
) -> None:
    async with started(kind, environ) as url, ClientSession() as session, asyncio.timeout(LONG_S):
        lag = 0.0
        while not lag:
            async with session.get(f"{url}/metrics") as answer:
                families = {family.name: family for family in text_string_to_metric_families(await answer.text())}
            samples = families["bouquet_event_loop_lag_seconds"].samples
            [lag] = (sample.value for sample in samples if sample.name.endswith("_count"))
            await asyncio.sleep(0.05)
    assert set(common()) <= set(families)
    assert [sample.labels["service"] for sample in families["bouquet_ready"].samples] == [kind.service]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_every_process_serves_livez_and_readyz(kind: Kind, environ: Mapping[str, str]) -> None:
    """Tests that without a broker every process is alive (`/livez`), and that processes which need a broker are not
    ready (`/readyz`)."""
    async with started(kind, environ) as url, ClientSession() as session:
        async with session.get(f"{url}/livez") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "alive"})
        async with session.get(f"{url}/readyz") as answer:
            assert (answer.status, await answer.json()) == READINESS.get(kind.service, UNREADY)


UNREADY = (503, {"status": "no consumer"})
READINESS = {
    "bouquet-gateway": (503, {"status": "waiting", "for": ["bus", "offers"]}),
    "bouquet-simulators": (200, {"status": "ready"}),
}

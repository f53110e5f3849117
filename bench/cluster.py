"""`make bench-cluster`: lookups through three RabbitMQ nodes and through one, on the same cores; 2,000 connections to
the nodes; and 100 providers with 500 operations.

Prints figures, and has no goals.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import msgspec
import uvloop
from aiohttp import ClientSession
from msgspec import Raw
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from bench import accounting, rounds
from bench.capacity.offers import MEN, copy_of
from bench.contenders import Contender, bouquet
from bench.mesh import Mesh, gateway_of, mesh_of
from bench.programs import Program
from bench.report import line_of
from bench.rounds import Lengths
from bench.windows import ratios, spread
from bouquet_mesh.amqp.connection import Connection, connect
from bouquet_mesh.amqp.errors import CONNECTION_LOST
from bouquet_mesh.bus.amqp import open_amqp_bus
from bouquet_mesh.bus.api import Handler
from bouquet_proto.messages import Describe, Found, Reply, Request, encode
from bouquet_proto.offer import Offer
from tests.support.daemon import free_port
from tests.support.rabbitmq import RABBITMQ_4, RabbitNode
from tests.support.rabbitmq_cluster import RabbitCluster, cluster_of

CONCURRENCY = 64
CONNECTIONS = 2000
OPENING = 10
PROVIDERS, OPERATIONS = 100, 500
LENGTHS = Lengths(
    rounds=5, more_rounds=0, warmup_s=1.0, window_s=3.0, cold_starts=0, portal_windows=0, budget_s=math.inf
)
OPENED_WITHIN_S = 120.0
OFFERED_WITHIN_S = 300.0


async def measure(folder: Path, *, count: int, quiet_cores: float) -> None:
    """Starts one RabbitMQ cluster of one node and another of three, with a gateway, workers and a registry on each.
    Compares their lookup rates in `count` rounds, and prints the figures."""
    async with AsyncExitStack() as stack:
        one = stack.enter_context(cluster_of(RABBITMQ_4, size=1))
        three = stack.enter_context(cluster_of(RABBITMQ_4))
        port = free_port()
        upstream = stack.enter_context(Program(folder / "upstream", "bench.upstream", str(port), port=port))
        contenders = [
            _contender(name, stack.enter_context(mesh_of(folder / name, cluster.vhost(), upstream.url)), cluster)
            for name, cluster in (("one", one), ("three", three))
        ]
        await asyncio.to_thread(_compare, contenders, count, quiet_cores)
        await _connections(three, contenders[1], quiet_cores)
        await _providers(folder, three)


def _contender(name: str, mesh: Mesh, cluster: RabbitCluster) -> Contender:
    return replace(bouquet(mesh, {"broker": tuple(cluster.nodes)}), name=f"{name} node{'s' if name != 'one' else ''}")


def _compare(contenders: Sequence[Contender], count: int, quiet_cores: float) -> None:
    windows = []
    for number in range(count):
        for window in rounds.measured_in(number, contenders, (CONCURRENCY,), LENGTHS, quiet_cores):
            print(line_of(window), flush=True)
            windows.append(window)
    one, three = (contender.name for contender in contenders)
    if found := spread(ratios(windows, three, one, CONCURRENCY)):
        print(f"lookups/s, three nodes over one: {found.median:.2f} ({found.low:.2f}–{found.high:.2f}), {found.rounds}")
    else:
        print("lookups/s, three nodes over one: not measurable beside so much other load (ANYHOW=1 counts it)")


async def _connections(cluster: RabbitCluster, contender: Contender, quiet_cores: float) -> None:
    """Opens `CONNECTIONS` idle connections. Prints the nodes' memory per connection, and the lookup rate while the
    connections are open."""
    nodes, before_mb = cluster.nodes, _memory_mb(cluster.nodes)
    began = time.monotonic()
    async with _connected(nodes) as connections:
        opened_s = time.monotonic() - began
        window = await asyncio.to_thread(rounds.measure, 0, contender, CONCURRENCY, LENGTHS, quiet_cores)
        each_kb = (_memory_mb(nodes) - before_mb) * 1024 / len(connections)
        print(f"{len(connections)} connections opened in {opened_s:.0f} s, {each_kb:.0f} kB each; lookups beside them:")
        print(line_of(window), flush=True)


def _memory_mb(nodes: Sequence[RabbitNode]) -> float:
    return sum(accounting.resident_mb(node.pid) for node in nodes)


@asynccontextmanager
async def _connected(nodes: Sequence[RabbitNode]) -> AsyncIterator[list[Connection]]:
    opened: list[Connection] = []
    try:
        for first in range(0, CONNECTIONS, OPENING):
            numbers = range(first, first + OPENING)
            opened += await asyncio.gather(*(_open(nodes[n % len(nodes)].url, f"idle {n}") for n in numbers))
        yield opened
    finally:
        for connection in opened:
            connection.drop()
        await asyncio.gather(*(connection.close() for connection in opened))


async def _open(url: str, name: str) -> Connection:
    """Opens a connection. While the node is too busy, keeps trying for up to `OPENED_WITHIN_S` seconds."""
    async with asyncio.timeout(OPENED_WITHIN_S):
        while True:
            with suppress(*CONNECTION_LOST):
                return await connect(url, name)


async def _providers(folder: Path, cluster: RabbitCluster) -> None:
    """Starts a gateway with `PROVIDERS` providers that offer `OPERATIONS` operations in total. Prints how long the
    gateway takes to list them all, how much memory it uses, and the size of its OpenAPI document."""
    url = cluster.vhost()
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_amqp_bus(url, "providers"))
        for offer in offers():
            await stack.enter_async_context(bus.serve(offer.provider, _describing(offer), concurrency=8))
        gateway = gateway_of(folder / "many", url, [offer.provider for offer in offers()])
        began = time.monotonic()
        await asyncio.to_thread(gateway.start)
        stack.callback(gateway.stop)
        async with ClientSession(gateway.url) as session:
            async with asyncio.timeout(OFFERED_WITHIN_S):
                while await _operations(session) < OPERATIONS:  # noqa: ASYNC110 - another process's, without an event
                    await asyncio.sleep(0.1)
            known_s, asked_at = time.monotonic() - began, time.monotonic()
            async with session.get("/api/openapi.json") as response:
                document = await response.read()
        print(
            f"{PROVIDERS} providers with {OPERATIONS} operations: known {known_s:.1f} s after the gateway's start,"
            f" {accounting.resident_mb(gateway.pid):.0f} MB;"
            f" OpenAPI document of {len(document) / 1e6:.1f} MB in {time.monotonic() - asked_at:.1f} s"
        )


def offers() -> Iterator[Offer]:
    """Yields the offers of `PROVIDERS` fictitious providers, which share `OPERATIONS` operations equally."""
    offer = msgspec.json.decode(MEN.read_bytes(), type=Offer)
    each = OPERATIONS // PROVIDERS
    operations = (*offer.operations, *copy_of(offer, PROVIDERS).operations)[:each]
    for number in range(PROVIDERS):
        yield copy_of(replace(offer, operations=operations), number)


def _describing(offer: Offer) -> Handler:
    async def answer(request: Request) -> Reply:
        assert isinstance(request, Describe)
        return Found(Raw(encode(offer)))

    return answer


async def _operations(session: ClientSession) -> float:
    async with session.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "bouquet_gateway_provider_operations"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=LENGTHS.rounds)
    parser.add_argument("--anyhow", action="store_true", help="count every window, even beside other load")
    given = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    quiet_cores = math.inf if given.anyhow else accounting.QUIET_CORES
    with tempfile.TemporaryDirectory(prefix="bouquet-bench-") as folder:
        uvloop.run(measure(Path(folder), count=given.rounds, quiet_cores=quiet_cores))


if __name__ == "__main__":
    main()

"""`make bench-capacity`: unit costs, each with few resources, and CPU rather than time; then docs/capacity.md, with
what the last `make bench` says of a lookup. On a busy machine too, though dearer there by what its caches lose. Two
minutes on a quiet one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.capacity import broker, cache, journal, lookup, offers, page, registry, tokens
from bench.capacity.database import Database
from bench.capacity.figure import Figure
from bench.programs import ROOT
from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitNode
from tests.support.redis import RedisServer

OF_LOOKUPS = ROOT / "bench" / "results" / "latest.json"
TOKENS = (10_000, 100_000, 1_000_000)


async def measured(folder: Path) -> AsyncIterator[list[Figure]]:
    """Memory first, while this process has none to spare."""
    yield await cache.in_memory()
    yield await tokens.figures()
    yield offers.figures()
    yield await journal.figures(Database("SQLite", f"sqlite:///{folder}/journal.db"))
    yield await registry.figures(Database("SQLite", f"sqlite:///{folder}/registry.db"), TOKENS)
    with PostgresServer() as server:
        yield await journal.figures(Database("PostgreSQL", server.database(), server.pid))
        yield await registry.figures(Database("PostgreSQL", server.database(), server.pid), TOKENS)
    with RedisServer(folder / "redis") as redis:
        yield await cache.in_redis(redis.url)
    with RabbitNode(folder / "broker") as node:
        yield await broker.figures(node)


async def measure(folder: Path) -> list[Figure]:
    figures: list[Figure] = []
    async for some in measured(folder):
        for figure in some:
            print(f"{figure.part:<22} {figure.of:<48} {figure.value:12,.1f} {figure.unit}", flush=True)
        figures += some
    return figures


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="bouquet-capacity-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        figures = runner.run(measure(Path(folder)))
    of_lookups = lookup.figures(OF_LOOKUPS) or lookup.of(page.read_measured().figures)
    page.keep_measured(page.Measured(f"{datetime.now(UTC):%-d %b %Y}", of_lookups + figures))
    page.write()


if __name__ == "__main__":
    main()

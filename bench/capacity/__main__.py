"""`make bench-capacity`: measures unit costs, prints them, and writes their table in docs/capacity.md.

It measures CPU time, which other processes change less than elapsed time. On a busy machine it may still double, so
quote figures of an idle machine, where the run takes two minutes.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.capacity import broker, cache, journal, offers, registry, tokens
from bench.capacity.database import Database
from bench.capacity.figure import Figure
from bench.capacity.table import table, with_table
from bench.programs import ROOT
from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitNode
from tests.support.redis import RedisServer

PAGE = ROOT / "docs" / "capacity.md"
TOKENS = (10_000, 100_000, 1_000_000)


async def measured(folder: Path) -> AsyncIterator[list[Figure]]:
    # This process's memory is measured first, because later parts free memory that new objects would reuse without
    # visible growth.
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
    """Runs the whole measurement and returns its figures. Prints each figure as soon as its part of the measurement has
    ended."""
    figures: list[Figure] = []
    async for some in measured(folder):
        for figure in some:
            print(f"{figure.part:<30} {figure.of:<58} {figure.value:12,.1f} {figure.unit}", flush=True)
        figures += some
    return figures


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="bouquet-capacity-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        figures = runner.run(measure(Path(folder)))
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_table(page, table(figures, datetime.now(UTC).date())), encoding="utf-8")


if __name__ == "__main__":
    main()

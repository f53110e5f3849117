"""Measures the portal: the time of its answers at a fixed rate of requests, on one core."""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp

from bench import accounting
from tests.portal.browser import TEMPLATES
from tests.portal.servers import GatewayServer, PortalServer
from tests.support.sandbox_gateway import token

PER_S = 20
WINDOW_S = 10.0
PATHS = [path for name, path in TEMPLATES.items() if name != "missing"]
"""Pages that are requested in turn, one for each template."""


def p95s_ms(windows: int, quiet_cores: float) -> list[float]:
    """Requests pages of the portal, which reads a sandbox gateway and has one core, in `windows` periods of `WINDOW_S`.
    Returns the 95th percentile of each period during which other processes used little CPU, in milliseconds."""
    # Leaves out periods in which other processes used more than `quiet_cores`, and the first, in which templates are
    # compiled.
    with (
        tempfile.TemporaryDirectory(prefix="bouquet-bench-") as folder,
        GatewayServer(Path(folder) / "gateway") as gateway,
    ):
        sandbox = {"sandbox_url": gateway.url, "sandbox_token": token(), "documents_every_s": "60"}
        with PortalServer(Path(folder) / "portal", gateway.url, **sandbox) as portal:
            _keep_on_one_core(portal.pid)
            _window(portal.url)
            found = [_window(portal.url) for _ in range(windows)]
    return [p95_ms for p95_ms, outside_cores in found if outside_cores <= quiet_cores]


def _keep_on_one_core(pid: int) -> None:
    for one in accounting.now().tree(pid):
        for thread in os.listdir(f"/proc/{one}/task"):
            os.sched_setaffinity(int(thread), {min(os.sched_getaffinity(0))})


def _window(url: str) -> tuple[float, float]:
    """Returns the 95th percentile in milliseconds, and the average number of cores that other processes used."""
    before = accounting.now()
    seconds = asyncio.run(_requested(url))
    outside_cores = accounting.outside_cores(before, accounting.now(), os.getpid())
    return statistics.quantiles(seconds, n=20)[-1] * 1000, outside_cores


async def _requested(url: str) -> list[float]:
    """Sends `PER_S` requests a second, whether or not earlier ones are answered. Returns the seconds from the moment at
    which each was due until its whole answer was there."""
    async with aiohttp.ClientSession(url, auto_decompress=False) as session:

        async def answered(path: str, due: float) -> float:
            await asyncio.sleep(due - time.monotonic())
            async with session.get(path, headers={"Accept-Encoding": "gzip"}) as response:
                await response.read()
                response.raise_for_status()
            return time.monotonic() - due

        begun = time.monotonic()
        paths = itertools.islice(itertools.cycle(PATHS), int(PER_S * WINDOW_S))
        return await asyncio.gather(*(answered(path, begun + n / PER_S) for n, path in enumerate(paths)))

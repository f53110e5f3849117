"""A unit cost, and how one is taken: CPU and not time wherever it can be, since a busy machine changes it less."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from bench import accounting


class Figure(Struct, frozen=True):
    """Measured cost of one unit: of a token, a cached answer, a record …"""

    part: str
    of: str
    value: float
    unit: str
    """`µs`, `bytes`, `/s`, or empty for a count."""


def cpu_us(call: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times * 1e6


async def awaited_cpu_us(call: Callable[[], Awaitable[object]], times: int, server: int | None = None) -> float:
    """Of this process, threads included, and of a server's whole tree where one does a part of the work."""
    began, theirs = time.process_time(), tree_cpu_s(server)
    for _ in range(times):
        await call()
    return (time.process_time() - began + tree_cpu_s(server) - theirs) / times * 1e6


def tree_cpu_s(pid: int | None) -> float:
    return accounting.now().cpu_s(pid) if pid else 0.0


def resident_bytes() -> float:
    """Of this process. Only differences upwards say something: what was freed before is taken first."""
    gc.collect()
    return accounting.resident_mb(os.getpid()) * 1024 * 1024

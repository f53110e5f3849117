"""A unit cost, and functions that measure it as CPU time."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from bench import accounting


class Figure(Struct, frozen=True):
    part: str
    of: str
    value: float
    unit: str
    """Unit of the value: `µs`, `bytes` or `/s`. Empty for a count."""


def cpu_us(call: Callable[[], object], times: int) -> float:
    """Runs `call` `times` times. Returns the average CPU time of this process for one run, in µs."""
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times * 1e6


async def awaited_cpu_us(call: Callable[[], Awaitable[object]], times: int, server: int | None = None) -> float:
    """Awaits `call` `times` times. Returns the average CPU time of one run in µs. It includes the CPU time of the
    process `server`, if given."""
    began, theirs = time.process_time(), tree_cpu_s(server)
    for _ in range(times):
        await call()
    return (time.process_time() - began + tree_cpu_s(server) - theirs) / times * 1e6


def tree_cpu_s(pid: int | None) -> float:
    """Returns the CPU seconds used so far by a process and its descendants, or 0 if `pid` is None."""
    return accounting.now().cpu_s(pid) if pid else 0.0


def resident_bytes() -> float:
    # To measure a cost, use its growth, and only before much memory has been freed: new objects reuse freed memory
    # without growth.
    gc.collect()
    return accounting.resident_mb(os.getpid()) * 1024 * 1024

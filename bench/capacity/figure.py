"""A unit cost, and functions that measure it in CPU time, which other load changes less than elapsed time."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from bench import accounting


class Figure(Struct, frozen=True):
    """Measured cost of one unit, such as a token, a cached answer or a record."""

    part: str
    of: str
    value: float
    unit: str
    """`µs`, `bytes`, `/s`, or empty for a count."""


def cpu_us(call: Callable[[], object], times: int) -> float:
    """Calls `call` `times` times, and returns this process's CPU in µs per call."""
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times * 1e6


async def awaited_cpu_us(call: Callable[[], Awaitable[object]], times: int, server: int | None = None) -> float:
    """Awaits `call` `times` times, and returns the CPU in µs per call, of this process and of the process tree of
    `server`, if given."""
    began, theirs = time.process_time(), tree_cpu_s(server)
    for _ in range(times):
        await call()
    return (time.process_time() - began + tree_cpu_s(server) - theirs) / times * 1e6


def tree_cpu_s(pid: int | None) -> float:
    """Returns the CPU seconds that a process and its descendants have used, or 0 without a process id."""
    return accounting.now().cpu_s(pid) if pid else 0.0


def resident_bytes() -> float:
    """Returns the resident memory of this process in bytes. Only its growth tells a cost, since freed memory is reused
    first."""
    gc.collect()
    return accounting.resident_mb(os.getpid()) * 1024 * 1024

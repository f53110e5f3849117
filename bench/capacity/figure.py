"""A unit cost, and how one is taken: CPU and not time wherever it can be, since a busy machine changes it little."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from fnmatch import fnmatchcase

from msgspec import Struct

from bench import accounting


class Figure(Struct, frozen=True):
    part: str
    of: str
    value: float
    unit: str
    """`µs` and `bytes` are shown in what suits them; `exactly` is a count that is no measurement."""


class Figures:
    """Found by name. Raises `KeyError` for what nobody measured."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = list(figures)

    def like(self, part: str, pattern: str) -> list[Figure]:
        """One at least; `*` stands for any words."""
        found = [figure for figure in self._figures if figure.part == part and fnmatchcase(figure.of, pattern)]
        if not found:
            raise KeyError(f"{part}: {pattern}")
        return found

    def one(self, part: str, of: str) -> float:
        [figure] = self.like(part, of)
        return figure.value

    def most(self, part: str, pattern: str) -> float:
        return max(figure.value for figure in self.like(part, pattern))


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

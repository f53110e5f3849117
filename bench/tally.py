"""Record of the requests that a load generator has sent: their number, latencies and errors in a period of
measurement."""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import time

import msgspec
from msgspec import Struct


class WindowMeasures(Struct, frozen=True):
    requests: int
    errors: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class LatencyRecorder:
    def __init__(self) -> None:
        self._latencies_s: list[float] = []
        self._errors = 0

    def answered(self, began: float) -> None:
        """Records a correct answer, just received, to the request that was sent at `began` (a value of
        `time.perf_counter`)."""
        self._latencies_s.append(time.perf_counter() - began)

    def failed(self) -> None:
        self._errors += 1

    async def window(self, warmup_s: float, seconds: float) -> None:
        """Waits for the warm-up, then measures for `seconds` seconds and prints the measures."""
        await asyncio.sleep(warmup_s)
        gc.collect()
        gc.disable()
        self._latencies_s, self._errors = [], 0
        _print_line("begin")
        began = time.perf_counter()
        await asyncio.sleep(seconds)
        lasted_s, latencies_s, errors = time.perf_counter() - began, sorted(self._latencies_s), self._errors
        _print_line("end")
        _print_line(msgspec.json.encode(_driven(latencies_s, errors, lasted_s)).decode())


def _driven(latencies_s: list[float], errors: int, seconds: float) -> WindowMeasures:
    p50, p95, p99 = (percentile_ms(latencies_s, share) for share in (0.50, 0.95, 0.99))
    return WindowMeasures(len(latencies_s), errors, seconds, p50, p95, p99)


def percentile_ms(sorted_s: list[float], share: float) -> float:
    """Returns a percentile of `sorted_s` (seconds in ascending order) in ms, or 0 if the list is empty. A `share` of
    0.95 selects p95."""
    return sorted_s[max(0, math.ceil(share * len(sorted_s)) - 1)] * 1000 if sorted_s else 0.0


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

"""Rounds of the benchmark. Each round measures every system at every concurrency, and how much CPU other processes
use meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import IO

import msgspec
from msgspec import Struct

from bench import accounting
from bench.accounting import Snapshot
from bench.contenders import Contender
from bench.programs import plain_environ
from bench.tally import WindowMeasures
from bench.windows import Window


class Lengths(Struct, frozen=True, kw_only=True):
    rounds: int
    more_rounds: int
    """Largest number of extra rounds after the first `rounds`. If other processes used so much CPU that a goal cannot
    be judged, the bench runs another round, up to this limit."""
    warmup_s: float
    window_s: float
    cold_starts: int
    portal_windows: int
    budget_s: float
    """Seconds since the start of the run after which it begins no further round."""


FULL = Lengths(rounds=5, more_rounds=10, warmup_s=0.5, window_s=1.5, cold_starts=3, portal_windows=3, budget_s=660.0)
QUICK = Lengths(rounds=2, more_rounds=0, warmup_s=0.3, window_s=0.6, cold_starts=1, portal_windows=1, budget_s=120.0)


def measured_in(
    number: int,
    contenders: Iterable[Contender],
    concurrencies: Iterable[int],
    lengths: Lengths,
    quiet_cores: float,
) -> Iterator[Window]:
    """Measures one round: yields a window (period of measurement) for each contender at each concurrency. `number` is
    the number of the round; another contender comes first in each round."""
    order = list(contenders)
    first = number % len(order) if order else 0
    for concurrency in concurrencies:
        for contender in order[first:] + order[:first]:
            if concurrency in contender.concurrencies:
                yield measure(number, contender, concurrency, lengths, quiet_cores)


def measure(number: int, contender: Contender, concurrency: int, lengths: Lengths, quiet_cores: float) -> Window:
    """Measures one window: a period of load on one system, after a warm-up. The window is trusted if other processes
    used at most `quiet_cores` cores on average."""
    options = {"connections": concurrency, "warmup-s": lengths.warmup_s, "seconds": lengths.window_s}
    command = [sys.executable, "-m", *contender.drive, *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, env=plain_environ(), stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        _expect(driver.stdout, "begin", contender)
        before = accounting.now()
        _expect(driver.stdout, "end", contender)
        after = accounting.now()
        driven = msgspec.json.decode(driver.stdout.read(), type=WindowMeasures)
    outside_cores = accounting.outside_cores(before, after, os.getpid())
    roots = {role: [daemon.pid for daemon in daemons] for role, daemons in contender.parts.items()}
    return Window(
        round=number,
        contender=contender.name,
        concurrency=concurrency,
        requests=driven.requests,
        errors=driven.errors,
        seconds=driven.seconds,
        p50_ms=driven.p50_ms,
        p95_ms=driven.p95_ms,
        p99_ms=driven.p99_ms,
        cpu_s=_cpu_by_role(before, after, roots | {contender.driver: [driver.pid]}),
        outside_cores=outside_cores,
        trusted=outside_cores <= quiet_cores,
    )


def _expect(output: IO[str], mark: str, contender: Contender) -> None:
    line = output.readline().strip()
    if line != mark:
        raise RuntimeError(f"{contender.name}: its driver said {line!r} where {mark!r} was due")


def _cpu_by_role(before: Snapshot, after: Snapshot, roots: Mapping[str, list[int]]) -> dict[str, float]:
    return {role: sum(after.cpu_s(pid) - before.cpu_s(pid) for pid in pids) for role, pids in roots.items()}


def calibration_ms() -> float:
    """Runs a fixed computation, to gauge the machine's present speed. Returns the time that it took in ms."""
    began = time.perf_counter()
    total = 0
    for number in range(300_000):
        total += number * number % 7
    return (time.perf_counter() - began) * 1000

"""Windows (periods of load on one compared system) and their statistics."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

OVERHEAD = frozenset({"load", "upstream"})
"""Roles of the benchmark's own processes, such as the load generator. The total CPU of a compared system leaves them
out."""


class Window(Struct, frozen=True, kw_only=True):
    round: int
    contender: str
    concurrency: int
    requests: int
    errors: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_s: Mapping[str, float]
    """CPU seconds by role, such as `gateway`."""
    outside_cores: float
    trusted: bool
    """Whether the measures of this window count: true if other processes used little CPU during it."""

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_per_1000(self) -> dict[str, float]:
        return {role: spent * 1000 / self.requests for role, spent in self.cpu_s.items() if self.requests}

    @property
    def total_cpu_per_1000(self) -> float:
        return sum(cost for role, cost in self.cpu_per_1000.items() if role not in OVERHEAD)


class Spread(Struct, frozen=True):
    """Median and range of one figure over several rounds of the benchmark."""

    median: float
    low: float
    high: float
    rounds: int


def spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), len(values))


def trusted(windows: Iterable[Window], contender: str, concurrency: int) -> list[Window]:
    """Returns the windows of a contender at one concurrency, in the order of rounds. Leaves out windows during which
    other processes used too much CPU."""
    return [
        window
        for window in windows
        if (window.contender, window.concurrency) == (contender, concurrency) and window.trusted
    ]


def pairs(windows: Sequence[Window], one: str, other: str, concurrency: int) -> list[tuple[Window, Window]]:
    """Returns pairs of windows: in each round, the window of the contender `one` and the window of `other`. Skips
    rounds in which other processes used too much CPU during either window."""
    theirs = {window.round: window for window in trusted(windows, other, concurrency)}
    ours = trusted(windows, one, concurrency)
    return [(window, theirs[window.round]) for window in ours if window.round in theirs]


def ratios(windows: Sequence[Window], one: str, other: str, concurrency: int) -> list[float]:
    """Returns, for each round, the throughput of the contender `one` divided by the throughput of `other`. Skips rounds
    in which other processes used too much CPU during either measurement."""
    return [a.per_s / b.per_s for a, b in pairs(windows, one, other, concurrency) if b.requests]

"""Windows of load on a contender, and statistics of the trusted ones."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

OVERHEAD = frozenset({"load", "upstream"})
"""Roles of the benchmark itself, which are no cost of a lookup."""


class Window(Struct, frozen=True, kw_only=True):
    """Measures of one window of load on one contender."""

    round: int
    contender: str
    concurrency: int
    requests: int
    """Number of good answers."""
    errors: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_s: Mapping[str, float]
    """CPU seconds by role, with child processes."""
    outside_cores: float
    """Cores that other processes used meanwhile."""
    trusted: bool
    """Whether the outside load was small enough."""

    @property
    def per_s(self) -> float:
        """Returns the good answers per second."""
        return self.requests / self.seconds

    @property
    def cpu_per_1000(self) -> dict[str, float]:
        """Returns the CPU seconds per thousand lookups by role, empty if none was answered."""
        return {role: spent * 1000 / self.requests for role, spent in self.cpu_s.items() if self.requests}

    @property
    def total_cpu_per_1000(self) -> float:
        """Returns the CPU seconds per thousand lookups, without the benchmark's own roles."""
        return sum(cost for role, cost in self.cpu_per_1000.items() if role not in OVERHEAD)


class Spread(Struct, frozen=True):
    """Median and range of a figure over the rounds."""

    median: float
    low: float
    high: float
    rounds: int


def spread(values: Sequence[float]) -> Spread | None:
    """Returns the spread of values, or None without any."""
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), len(values))


def trusted(windows: Iterable[Window], contender: str, concurrency: int) -> list[Window]:
    """Returns a contender's trusted windows, one per round, in order."""
    return [
        window
        for window in windows
        if (window.contender, window.concurrency) == (contender, concurrency) and window.trusted
    ]


def pairs(windows: Sequence[Window], one: str, other: str, concurrency: int) -> list[tuple[Window, Window]]:
    """Returns the windows of two contenders in the same round, if both are trusted."""
    theirs = {window.round: window for window in trusted(windows, other, concurrency)}
    ours = trusted(windows, one, concurrency)
    return [(window, theirs[window.round]) for window in ours if window.round in theirs]


def ratios(windows: Sequence[Window], one: str, other: str, concurrency: int) -> list[float]:
    """Returns the ratios of two contenders' lookups per second, by round."""
    return [a.per_s / b.per_s for a, b in pairs(windows, one, other, concurrency) if b.requests]

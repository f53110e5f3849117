"""One window of load on one contender, and what may be believed of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

OVERHEAD = frozenset({"load", "upstream"})
"""Roles that are the benchmark's own: a lookup does not cost them."""


class Window(Struct, frozen=True, kw_only=True):
    round: int
    contender: str
    concurrency: int
    requests: int
    """Answered, and well."""
    errors: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_s: Mapping[str, float]
    """By role, each with its whole tree."""
    outside_cores: float
    """What others took of the machine meanwhile."""
    trusted: bool
    """Whether that was little enough."""

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_per_1000(self) -> dict[str, float]:
        """CPU seconds for a thousand lookups, by role; nothing where none was answered."""
        return {role: spent * 1000 / self.requests for role, spent in self.cpu_s.items() if self.requests}

    @property
    def total_cpu_per_1000(self) -> float:
        """Of all that a lookup needs: the benchmark's own roles are left out."""
        return sum(cost for role, cost in self.cpu_per_1000.items() if role not in OVERHEAD)


class Spread(Struct, frozen=True):
    median: float
    low: float
    high: float
    rounds: int


def spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), len(values))


def trusted(windows: Iterable[Window], contender: str, concurrency: int) -> list[Window]:
    """In the order of the rounds, one a round."""
    return [
        window
        for window in windows
        if (window.contender, window.concurrency) == (contender, concurrency) and window.trusted
    ]


def pairs(windows: Sequence[Window], one: str, other: str, concurrency: int) -> list[tuple[Window, Window]]:
    """What two contenders did in the same round, where both can be trusted."""
    theirs = {window.round: window for window in trusted(windows, other, concurrency)}
    ours = trusted(windows, one, concurrency)
    return [(window, theirs[window.round]) for window in ours if window.round in theirs]


def ratios(windows: Sequence[Window], one: str, other: str, concurrency: int) -> list[float]:
    """Lookups per second of one over those of the other, round by round."""
    return [a.per_s / b.per_s for a, b in pairs(windows, one, other, concurrency) if b.requests]

"""Health of each resource, computed from the results of callers' calls; providers are not probed.

Each process counts only its own calls.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

WINDOW_S = 600
SLICE_S = 30
"""Length, in seconds, of the slices in which calls are counted: the window covers nine and a half to ten minutes."""
TOO_MANY_OUTAGES = 0.10
"""Share of outages at which a resource is shown as down (docs/reference/contract.md §5.3)."""
LEAST_CALLS = 10
"""Number of calls needed before a resource is shown as down, so that one caller cannot cause it."""
LEAST_OUTAGES = 2
"""Number of outages needed before a resource is shown as down."""

State: TypeAlias = Literal["ok", "bad_gateway", "unknown", "maintenance"]


class Slice(Struct):
    """Calls and outages in `SLICE_S` seconds."""

    number: int
    calls: int = 0
    outages: int = 0


class HealthWindow:
    """Number of calls and outages of one resource in the last ten minutes."""

    def __init__(self) -> None:
        self._slices: deque[Slice] = deque(maxlen=WINDOW_S // SLICE_S)
        self.last_success: datetime | None = None

    def record(self, at: datetime, *, outage: bool) -> None:
        """Counts one call; `outage` tells whether it ended in 502, 503 or 504."""
        number = _slice_of(at)
        if not self._slices or self._slices[-1].number < number:
            self._slices.append(Slice(number))
        self._slices[-1].calls += 1
        self._slices[-1].outages += outage
        if not outage:
            self.last_success = at

    def counts(self, at: datetime) -> tuple[int, int]:
        """Returns the number of calls in the last ten minutes, and of outages among them."""
        recent = [part for part in self._slices if part.number > _slice_of(at) - WINDOW_S // SLICE_S]
        return sum(part.calls for part in recent), sum(part.outages for part in recent)


class HealthWindows:
    """Health windows by status name."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._windows: defaultdict[str, HealthWindow] = defaultdict(HealthWindow)

    def record(self, status: str, outage: bool | None) -> None:
        """Counts a call. Does nothing for a resource without status name, or for a call that was not sent (`outage` is
        `None`)."""
        if status and outage is not None:
            self._windows[status].record(self._clock(), outage=outage)

    def of(self, status: str) -> HealthWindow:
        """Returns the window of a resource, empty before its first call."""
        return self._windows[status]


class Circumstances(Struct, frozen=True, kw_only=True):
    """Facts about a resource other than its calls."""

    maintenance_until: datetime | None = None
    """End of the open maintenance window; `None` without one."""
    just_reopened: bool = False
    """Whether a maintenance window has ended within the last ten minutes, so that calls may have failed because of
    it."""
    is_silent: bool = False
    """Whether the resource's worker does not answer the gateway."""


def state_of(window: HealthWindow, circumstances: Circumstances, at: datetime) -> State:
    """Returns the state of a resource. Few calls are enough for `ok`, and `LEAST_CALLS` are needed for `bad_gateway`.
    Without calls, a resource is `ok` if its worker answers, else `unknown`."""
    if circumstances.maintenance_until:
        return "maintenance"
    if circumstances.just_reopened:
        return "ok"
    calls, outages = window.counts(at)
    if calls >= LEAST_CALLS:
        return "bad_gateway" if outages >= max(calls * TOO_MANY_OUTAGES, LEAST_OUTAGES) else "ok"
    if calls > outages:
        return "ok"
    return "unknown" if outages or circumstances.is_silent else "ok"


def _slice_of(at: datetime) -> int:
    return int(at.timestamp()) // SLICE_S

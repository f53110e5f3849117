"""Health of each resource (group of operations), judged by how callers' recent calls ended. The gateway sends no calls
of its own to find out."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

WINDOW_S = 600
SLICE_S = 30
"""Length, in seconds, of one period in which calls are counted. The health of a resource depends on the last twenty
periods (ten minutes)."""
# Since the last slice has not ended, the window covers nine and a half to ten minutes.
TOO_MANY_OUTAGES = 0.10
"""Share of outages (answers with HTTP status 502, 503 or 504) among a resource's recent calls, from 0 to 1. At this
share, the resource is shown as down (docs/reference/contract.md §5.3)."""
LEAST_CALLS = 10
"""Number of calls in the last ten minutes below which a resource is not shown as down."""
# So one caller cannot cause it.
LEAST_OUTAGES = 2
"""Smallest number of outages (HTTP status 502, 503 or 504) in the last ten minutes for which a resource is shown as
down."""

State: TypeAlias = Literal["ok", "bad_gateway", "unknown", "maintenance"]


class Slice(Struct):
    """Numbers of calls and of outages (HTTP status 502, 503 or 504) in one period of `SLICE_S` seconds. The period
    begins at the Unix time `number * SLICE_S`."""

    number: int
    calls: int = 0
    outages: int = 0


class HealthWindow:
    """Numbers of calls to one resource and of outages (HTTP status 502, 503 or 504) in the last ten minutes."""

    def __init__(self) -> None:
        self._slices: deque[Slice] = deque(maxlen=WINDOW_S // SLICE_S)
        self.last_success: datetime | None = None

    def record(self, at: datetime, *, outage: bool) -> None:
        """Counts a call that ended at the time `at`. `outage` says whether the answer had the HTTP status 502, 503 or
        504."""
        number = _slice_of(at)
        if not self._slices or self._slices[-1].number < number:
            self._slices.append(Slice(number))
        self._slices[-1].calls += 1
        self._slices[-1].outages += outage
        if not outage:
            self.last_success = at

    def counts(self, at: datetime) -> tuple[int, int]:
        """Returns the number of calls in the ten minutes before `at`, and the number of outages among them."""
        recent = [part for part in self._slices if part.number > _slice_of(at) - WINDOW_S // SLICE_S]
        return sum(part.calls for part in recent), sum(part.outages for part in recent)


class HealthWindows:
    """Numbers of recent calls and outages (HTTP status 502, 503 or 504) of each resource. The keys are the names that
    replace `{status}` in `/api/{status}/ping`."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._windows: defaultdict[str, HealthWindow] = defaultdict(HealthWindow)

    def record(self, status: str, outage: bool | None) -> None:
        """Counts a call to the resource whose name in `/api/{status}/ping` is `status`. `outage` says whether the
        provider was out of service. With `None` (provider not asked), counts nothing."""
        # Nothing is counted either for an empty `status`: the resource is not monitored.
        if status and outage is not None:
            self._windows[status].record(self._clock(), outage=outage)

    def of(self, status: str) -> HealthWindow:
        return self._windows[status]


class Circumstances(Struct, frozen=True, kw_only=True):
    """Facts that decide the health of a resource, in addition to the numbers of its recent calls and outages."""

    maintenance_until: datetime | None = None
    """End of the maintenance window that is open now; `None` if none is open."""
    just_reopened: bool = False
    """Whether a maintenance window ended in the last ten minutes."""
    is_silent: bool = False
    """Whether a provider of the resource has not answered the gateway's last request for a description of its
    operations."""


def state_of(window: HealthWindow, circumstances: Circumstances, at: datetime) -> State:
    """Returns the health of a resource: `maintenance`, `bad_gateway` after too many outages, `ok` or `unknown`.
    `window` holds the recent calls; `circumstances` says, for example, whether a maintenance window is open."""
    # It is `maintenance` in a maintenance window, and `ok` in the ten minutes after one. Otherwise, from `LEAST_CALLS`
    # calls on, it is `bad_gateway` if too many were outages, else `ok`. After fewer calls, it is `ok` if one ended
    # well, and `unknown` if all were outages. Without calls, it is `ok` if the workers answer, else `unknown`.
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

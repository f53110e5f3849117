"""How each resource fares, from how its callers' own calls have ended: no provider is probed, as one of them asked.

Of one process: a gateway knows the calls that it has carried itself.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

WINDOW_S = 600
SLICE_S = 30
"""Step by which the window moves on: it holds between nine and a half and ten minutes."""
TOO_MANY_OUTAGES = 0.10
"""Share of the window's calls from which on a resource is down (docs/reference/contract.md §5.3)."""
LEAST_CALLS = 10
LEAST_OUTAGES = 2
"""Below either, a share says more of a caller than of the resource."""

State: TypeAlias = Literal["ok", "bad_gateway", "unknown", "maintenance"]


class Slice(Struct):
    """Calls of `SLICE_S` seconds."""

    number: int
    calls: int = 0
    outages: int = 0


class HealthWindow:
    """The last ten minutes of one resource. Its size does not grow with the number of calls."""

    def __init__(self) -> None:
        self._slices: deque[Slice] = deque(maxlen=WINDOW_S // SLICE_S)
        self.last_success: datetime | None = None

    def record(self, at: datetime, *, outage: bool) -> None:
        """`outage`: the call ended 502, 503 or 504."""
        number = _slice_of(at)
        if not self._slices or self._slices[-1].number < number:
            self._slices.append(Slice(number))
        self._slices[-1].calls += 1
        self._slices[-1].outages += outage
        if not outage:
            self.last_success = at

    def counts(self, at: datetime) -> tuple[int, int]:
        """Returns the calls of the last ten minutes, and the outages among them."""
        recent = [one for one in self._slices if one.number > _slice_of(at) - WINDOW_S // SLICE_S]
        return sum(one.calls for one in recent), sum(one.outages for one in recent)


class HealthWindows:
    """By status name; as many as the offers name."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._windows: defaultdict[str, HealthWindow] = defaultdict(HealthWindow)

    def record(self, status: str, outage: bool | None) -> None:
        """Does nothing for a resource without status, whose name is empty, nor for a call that was not made."""
        if status and outage is not None:
            self._windows[status].record(self._clock(), outage=outage)

    def of(self, status: str) -> HealthWindow:
        return self._windows[status]


class Circumstances(Struct, frozen=True, kw_only=True):
    """What is known of a resource besides its calls."""

    maintenance_until: datetime | None = None
    """When the window that is open ends."""
    just_reopened: bool = False
    """A window has ended within the last ten minutes, so that earlier calls may still be of it."""
    is_silent: bool = False
    """Its worker does not answer the gateway."""


def judge(window: HealthWindow, circumstances: Circumstances, at: datetime) -> State:
    """Without calls a resource is well, as long as a worker answers for it. A few calls are enough to say that it is
    well, and not that it is down."""
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

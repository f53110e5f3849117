"""How each resource fares, from how its callers' own calls have ended: nobody is probed, as one fund asked the State.

Pure, and of one process: a gateway tells of the calls that it has carried itself.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

WINDOW_S = 600
SLICE_S = 30
"""The window moves on by so much at a time: it holds between nine and a half and ten minutes."""
TOO_MANY_OUTAGES = 0.10
"""Of the window's calls, from which on a resource is down (http-contract §5.3)."""

Word: TypeAlias = Literal["ok", "bad_gateway", "unknown", "maintenance"]


class Slice(Struct):
    """What was heard in one of them, `SLICE_S` long."""

    number: int
    calls: int = 0
    outages: int = 0


class HealthWindow:
    """One resource's. It holds one window, however many calls there were."""

    def __init__(self) -> None:
        self._slices: deque[Slice] = deque(maxlen=WINDOW_S // SLICE_S)
        self.last_success: datetime | None = None

    def hear(self, at: datetime, *, outage: bool) -> None:
        """`outage`: the call ended 502, 503 or 504."""
        number = _slice_of(at)
        if not self._slices or self._slices[-1].number < number:
            self._slices.append(Slice(number))
        self._slices[-1].calls += 1
        self._slices[-1].outages += outage
        if not outage:
            self.last_success = at

    def counts(self, at: datetime) -> tuple[int, int]:
        """Calls of the last ten minutes, and outages among them."""
        recent = [one for one in self._slices if one.number > _slice_of(at) - WINDOW_S // SLICE_S]
        return sum(one.calls for one in recent), sum(one.outages for one in recent)


class Circumstances(Struct, frozen=True, kw_only=True):
    """What is known of a resource besides its calls."""

    maintenance_until: datetime | None = None
    """When the window that is open ends."""
    just_reopened: bool = False
    """A window has ended within the last ten minutes, and what was heard before may still be of it."""
    is_silent: bool = False
    """Its worker does not answer the gateway."""


def judge(pulse: HealthWindow, circumstances: Circumstances, at: datetime) -> Word:
    """Without calls a resource is well, as long as somebody is there to answer for it."""
    if circumstances.maintenance_until:
        return "maintenance"
    if circumstances.just_reopened:
        return "ok"
    calls, outages = pulse.counts(at)
    if calls:
        return "bad_gateway" if outages >= calls * TOO_MANY_OUTAGES else "ok"
    return "unknown" if circumstances.is_silent else "ok"


def _slice_of(at: datetime) -> int:
    return int(at.timestamp()) // SLICE_S

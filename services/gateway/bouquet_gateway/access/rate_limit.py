"""Rate limits. Each caller's calls are counted in windows: consecutive periods of equal length, such as each second
(docs/reference/contract.md §4)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

MINUTE_S = 60
MAX_KEYS = 100_000
"""Largest number of callers (keys) that are counted in one period. Above this number, the count of the caller that came
first is dropped."""
# It is never reached in practice, since a process cannot answer so many calls in a minute, the longest window.


class RateWindow(Struct, frozen=True):
    """Period of `period_s` seconds in which calls are counted. Periods follow each other without a gap; number 0 began
    on 1 January 1970."""

    period_s: int
    number: int

    @property
    def ends_at(self) -> int:
        return (self.number + 1) * self.period_s


class Limit(Struct, frozen=True):
    """Largest number of calls that each caller may make in a period of `period_s` seconds. Calls with different values
    of `group` are counted separately."""

    calls: int
    period_s: int
    group: str = ""
    cost: int = 1
    """Number of calls that one request counts as. A dossier (several lookups in one request) counts as many calls as it
    has lookups."""


class Counters(Protocol):
    """Store that counts the calls of each caller in each period."""

    async def increment(self, key: str, window: RateWindow, cost: int = 1) -> int:
        """Adds `cost`, a number of calls, to the count of the caller `key` in the period `window`. Returns the new
        count."""


class Allowance(Struct, frozen=True):
    """Decision of a rate limiter on a call: whether the call is allowed, and the values of the rate limit headers."""

    limit: int
    remaining: int
    reset_at: int
    """End of the period in which this call is counted, in seconds since the epoch."""
    retry_after_s: int
    """Seconds to wait before the next call; 0 if this call is allowed."""
    allowed: bool

    def headers(self) -> dict[str, str]:
        """Returns the `RateLimit-*` headers of the answer and, for a refused call, the header `Retry-After`."""
        headers = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_at),
        }
        return headers if self.allowed else headers | {"Retry-After": str(self.retry_after_s)}


class RateLimiter:
    """Rate limiter that allows each caller a number of calls in each period, by default 20 in each second."""

    def __init__(
        self, counters: Counters, *, limit: int = 20, period_s: int = 1, clock: Callable[[], float] = time.time
    ) -> None:
        self._counters = counters
        self._limit = limit
        self._period_s = period_s
        self._clock = clock

    async def hit(
        self,
        key: str,
        *habilitation_limits: Limit,
        group: str = "",
        calls_per_period: int = 0,
        habilitation_key: str | None = None,
        cost: int = 1,
    ) -> Allowance:
        """Counts a call of the caller `key` against the caller's own limit and all `habilitation_limits`. Returns the
        result for the first limit that is exceeded or, if none is, for the last limit.

        The caller's own limit is `calls_per_period` or, if that is 0, the limiter's default. For this limit, the call
        counts as `cost` calls, and each `group`, such as `v2`, has a count of its own.

        The calls for `habilitation_limits` are counted under `habilitation_key`; `None` stands for `key`. An empty key
        counts nothing.
        """
        allowances = [await self.count(key, Limit(calls_per_period or self._limit, self._period_s, group, cost))]
        shared_key = key if habilitation_key is None else habilitation_key
        allowances += [await self.count(shared_key, limit) for limit in habilitation_limits]
        return next((allowance for allowance in allowances if not allowance.allowed), allowances[-1])

    async def count(self, key: str, limit: Limit) -> Allowance:
        """Counts `limit.cost` calls by the caller `key` against one limit. Nothing is counted under an empty key."""
        now = self._clock()
        window = RateWindow(limit.period_s, int(now // limit.period_s))
        count = await self._counters.increment(key + limit.group, window, limit.cost) if key else 0
        return allowance_of(count, limit.calls, window.ends_at, now)


def allowance_of(count: int, limit: int, reset_at: int, now: float) -> Allowance:
    """Returns the decision on a call that is number `count` in its window. The first `limit` calls in a window are
    allowed. `reset_at`, the end of the window, and `now` are in seconds since the epoch."""
    # If several calls are counted at once, `count` is the number of the last.
    allowed = count <= limit
    return Allowance(
        limit=limit,
        remaining=max(limit - count, 0),
        reset_at=reset_at,
        retry_after_s=0 if allowed else math.ceil(reset_at - now),
        allowed=allowed,
    )


class MemoryCounters:
    """Counts of calls, kept in the memory of one process. If a period has more than `max_keys` callers, the count of
    the caller that came first is dropped."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._pages: dict[int, _WindowCounts] = {}

    async def increment(self, key: str, window: RateWindow, cost: int = 1) -> int:
        page = self._pages.get(window.period_s)
        if page is None or not page.accepts(window):
            page = self._pages[window.period_s] = _WindowCounts(window.number)
        counts = page.counts
        counts[key] = count = counts.get(key, 0) + cost
        if len(counts) > self._max_keys:
            del counts[next(iter(counts))]
        return count


class _WindowCounts(Struct):
    number: int
    counts: dict[str, int] = {}

    def accepts(self, window: RateWindow) -> bool:
        """Returns whether this object counts the calls of `window`. True for its own window and the window before."""
        # A late call may have waited for redis until its own window was over.
        return window.number in (self.number, self.number - 1)

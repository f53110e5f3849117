"""Rate limits: fixed windows aligned on the epoch, counted per token (docs/reference/contract.md §4)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

MINUTE_S = 60
MAX_KEYS = 100_000
"""More than the calls that one process answers in a minute."""


class RateWindow(Struct, frozen=True):
    """The `number`th of all windows of `period_s` since the epoch."""

    period_s: int
    number: int

    @property
    def ends_at(self) -> int:
        return (self.number + 1) * self.period_s


class Counters(Protocol):
    async def increment(self, key: str, window: RateWindow) -> int:
        """The count of `key` in `window`, this one included."""


class Allowance(Struct, frozen=True):
    limit: int
    remaining: int
    reset_at: int
    """When the window ends, in seconds since the epoch."""
    retry_after_s: int
    """Zero when the call is allowed."""
    allowed: bool

    def headers(self) -> dict[str, str]:
        headers = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_at),
        }
        return headers if self.allowed else headers | {"Retry-After": str(self.retry_after_s)}


class RateLimiter:
    """`limit` calls a window pass, the next is refused."""

    def __init__(
        self, counters: Counters, *, limit: int = 20, period_s: int = 1, clock: Callable[[], float] = time.time
    ) -> None:
        self._counters = counters
        self._limit = limit
        self._period_s = period_s
        self._clock = clock

    async def hit(self, key: str, per_minute: int = 0, *, group: str = "") -> Allowance:
        """Counts a call, apart from those of another `group`. One without a key passes uncounted.

        `per_minute` is a limit of the caller's own, besides, for every group together; the verdict is then that of it,
        unless the other refuses.
        """
        verdict = await self._count(key and key + group, self._limit, self._period_s)
        if not per_minute:
            return verdict
        own = await self._count(key, per_minute, MINUTE_S)
        return own if verdict.allowed else verdict

    async def _count(self, key: str, limit: int, period_s: int) -> Allowance:
        now = self._clock()
        window = RateWindow(period_s, int(now // period_s))
        count = await self._counters.increment(key, window) if key else 0
        return judge(count, limit, window.ends_at, now)


def judge(count: int, limit: int, reset_at: int, now: float) -> Allowance:
    allowed = count <= limit
    return Allowance(
        limit=limit,
        remaining=max(limit - count, 0),
        reset_at=reset_at,
        retry_after_s=0 if allowed else math.ceil(reset_at - now),
        allowed=allowed,
    )


class MemoryCounters:
    """Of one process. A window is forgotten whole when the next one of its length opens, and not before.

    But of more than `max_keys` in one, which are some 15 MB, the first is forgotten.
    """

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._pages: dict[int, _Page] = {}

    async def increment(self, key: str, window: RateWindow) -> int:
        page = self._pages.get(window.period_s)
        if page is None or not page.takes(window):
            page = self._pages[window.period_s] = _Page(window.number)
        counts = page.counts
        counts[key] = count = counts.get(key, 0) + 1
        if len(counts) > self._max_keys:
            del counts[next(iter(counts))]
        return count


class _Page(Struct):
    number: int
    counts: dict[str, int] = {}

    def takes(self, window: RateWindow) -> bool:
        """A call that waited for redis in vain may come when its window is over."""
        return window.number in (self.number, self.number - 1)

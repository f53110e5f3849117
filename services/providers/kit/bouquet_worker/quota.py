"""Rate limit on one process's calls to an upstream: the number of calls that may start in any 60 seconds."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from bouquet_worker.errors import UpstreamError

MINUTE_S = 60.0


class Quota:
    """A rate limiter: each call takes a slot, which becomes free again a minute later.

    Args:
        calls_per_minute: Number of slots, and so of calls that may start in any 60 seconds; 0 for no limit.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, calls_per_minute: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots: deque[float] = deque(maxlen=calls_per_minute)
        """Starts of the latest `calls_per_minute` calls, as times of `clock`, oldest first. A call that still waits has
        a start in the future."""
        self._clock = clock

    async def wait_for_slot(self, max_wait_s: float) -> None:
        """Waits until another call may start, and counts it. Raises `UpstreamError("quota_spent")` at once if the wait
        would exceed `max_wait_s` seconds."""
        wait_s = self._wait_s()
        if wait_s > max_wait_s:
            raise UpstreamError("quota_spent", retry_in_s=math.ceil(wait_s))
        self._slots.append(self._clock() + wait_s)  # taken now, even if the call is cancelled while it waits
        if wait_s:
            await asyncio.sleep(wait_s)

    def take_free_slot(self) -> bool:
        """Returns whether another call may start now, and if so, counts it. Never waits."""
        if self._wait_s():
            return False
        self._slots.append(self._clock())
        return True

    def _wait_s(self) -> float:
        """Returns the seconds until another call may start; 0 if it may start now, or without a limit."""
        if not self._slots.maxlen or len(self._slots) < self._slots.maxlen:
            return 0.0
        return max(0.0, self._slots[0] + MINUTE_S - self._clock())

"""Rate limit on the calls that the portal makes to the sandbox, for each visitor's address."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PERIOD_S = 60
MOST_ADDRESSES = 10_000
"""Number of addresses at which the counts of all addresses are dropped, to limit memory."""


class RateLimit:
    """Limit on the calls that one address may make per minute."""

    def __init__(self, calls: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls = calls
        self._clock = clock
        self._lock = threading.Lock()
        self._minute = 0
        self._counts: dict[str, int] = {}

    def allows(self, address: str) -> bool:
        """Counts a call, and returns whether it is within the limit."""
        with self._lock:
            minute = int(self._clock() // PERIOD_S)
            if minute != self._minute or len(self._counts) >= MOST_ADDRESSES:
                self._minute, self._counts = minute, {}
            self._counts[address] = self._counts.get(address, 0) + 1
            return self._counts[address] <= self._calls

"""What a fund's contract allows: so many calls in any minute, wherever it begins, from this process."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from bouquet_worker.errors import UpstreamError

MINUTE_S = 60.0


class Quota:
    """Remembers the last `calls_per_minute` turns; none where it is 0, which is no limit."""

    def __init__(self, calls_per_minute: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._turns: deque[float] = deque(maxlen=calls_per_minute)
        self._clock = clock

    async def turn(self, patience_s: float) -> None:
        """Waits for one, in the order of the callers. `quota_spent` at once if that takes longer than `patience_s`."""
        wait_s = self._wait_s()
        if wait_s > patience_s:
            raise UpstreamError("quota_spent", retry_in_s=math.ceil(wait_s))
        self._turns.append(self._clock() + wait_s)  # from now on nobody else's, even if its caller goes away
        if wait_s:
            await asyncio.sleep(wait_s)

    def spare(self) -> bool:
        """Takes a turn if there is one now."""
        if self._wait_s():
            return False
        self._turns.append(self._clock())
        return True

    def _wait_s(self) -> float:
        """Until the turn that is `calls_per_minute` ago is a minute old."""
        if not self._turns.maxlen or len(self._turns) < self._turns.maxlen:
            return 0.0
        return max(0.0, self._turns[0] + MINUTE_S - self._clock())

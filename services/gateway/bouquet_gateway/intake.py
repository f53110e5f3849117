"""How much one process takes in, learnt from how much its event loop has to do (docs/adr/0009).

A *turn* is what lies between the moment that a request is read and the moment that its handler begins: what was ready
before it. It is long where the processor has more to do than it can, and only there: no turn is longer for a call that
waits for a fund, or for other processes that are given the processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FEWEST = 4.0
GROWTH = 1.1
"""In as much time as a turn may last, idle or not."""
STEEPEST = 0.5
"""One long turn alone means little: a scrape of `/metrics`, a burst."""


class Intake:
    """So many requests a turn, at most `most`: as many as keep the processor busy for `turn_s`."""

    def __init__(
        self,
        most: int,
        turn_s: float,
        *,
        worked: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.per_turn = float(most)
        self._most = float(most)
        self._turn_s = turn_s
        self._worked = worked
        self._clock = clock
        self._taken = 0
        self._began_s = 0.0
        self._ended_at = clock()

    def takes(self) -> bool:
        """Whether there is room in this turn for one more, which is then in."""
        if self._taken >= self.per_turn:
            return False
        self._taken += 1
        return True

    def begin(self) -> None:
        self._grow(self._clock() - self._ended_at)
        self._began_s = self._worked()

    def end(self) -> None:
        lasted_s = self._worked() - self._began_s
        if lasted_s > self._turn_s:
            self.per_turn = max(FEWEST, self.per_turn * max(STEEPEST, self._turn_s / lasted_s))
        else:
            self._grow(lasted_s)
        self._taken = 0
        self._ended_at = self._clock()

    def _grow(self, while_s: float) -> None:
        turns = min(while_s / self._turn_s, 100.0)
        self.per_turn = min(self._most, self.per_turn * GROWTH**turns)

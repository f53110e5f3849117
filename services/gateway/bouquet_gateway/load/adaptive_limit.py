"""How much one process takes in, learnt from how much its event loop has to do (docs/adr/0009).

A *turn* is what a request waits for between being read and being handled: the work that was ready before it. It is long
where the processor has more to do than it can, and only there. A call that waits for a fund makes no turn longer, and
other processes on the processor do not either: a turn is measured in its time that was ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FEWEST = 4.0
STEEPEST = 0.5
"""What one turn may change: a long one alone means little, it was a burst, or a scrape of `/metrics`."""
DOUBLES_IN_S = 0.5
"""In which time what a long turn has taken is given back."""


class Intake:
    """So many requests a turn, at most `most`: as many as make it `turn_s` of work."""

    def __init__(
        self,
        most: int,
        turn_s: float,
        *,
        worked_s: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.per_turn = float(most)
        self._most = float(most)
        self._turn_s = turn_s
        self._worked_s = worked_s
        self._clock = clock
        self._taken = 0
        self._began_s = 0.0
        self._quiet_since = clock()

    def takes(self) -> bool:
        """Whether there is room in this turn for one more, which is then in."""
        if self._taken >= self.per_turn:
            return False
        self._taken += 1
        return True

    def begin(self) -> None:
        now = self._clock()
        gained = 2.0 ** min((now - self._quiet_since) / DOUBLES_IN_S, 10.0)
        self.per_turn = min(self._most, self.per_turn * gained)
        self._taken, self._quiet_since, self._began_s = 0, now, self._worked_s()

    def end(self) -> None:
        lasted_s = self._worked_s() - self._began_s
        if lasted_s > self._turn_s:
            self.per_turn = max(FEWEST, self.per_turn * max(STEEPEST, self._turn_s / lasted_s))
            self._quiet_since = self._clock()

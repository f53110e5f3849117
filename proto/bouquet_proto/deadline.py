"""Deadline of a request, set by the gateway. At the deadline, every process that works on the request stops waiting."""

from __future__ import annotations

import time

from msgspec import Struct

CLOCK_TOLERANCE_S = 0.5
"""Largest tolerated difference between the clocks of two hosts, in seconds."""


class Deadline(Struct, frozen=True):
    """Point in time at which processes stop waiting for the answer to a request. The clocks of all hosts must agree
    within `CLOCK_TOLERANCE_S`."""

    at: float
    """Time of the deadline, in seconds since the epoch."""

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Returns the deadline `seconds` from now."""
        return cls(time.time() + seconds)

    def left_s(self) -> float:
        """Returns the seconds that remain until the deadline, 0 once it has passed."""
        return max(0.0, self.at - time.time())

    def earlier_by(self, margin_s: float) -> Deadline:
        """Returns a deadline that is `margin_s` seconds earlier, so that this time is left to send the reply."""
        return Deadline(self.at - margin_s)

"""One moment, made at the door, that ends every wait of a request."""

from __future__ import annotations

import time

from msgspec import Struct

CLOCK_TOLERANCE_S = 0.5
"""Hosts whose clocks differ by less are taken to agree on the time."""


class Deadline(Struct, frozen=True):
    """Seconds since the epoch. Wall clock, since it travels: hosts should agree within `CLOCK_TOLERANCE_S` (NTP)."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.time() + seconds)

    def left_s(self) -> float:
        """Seconds until the deadline, never below zero."""
        return max(0.0, self.at - time.time())

    def earlier_by(self, margin_s: float) -> Deadline:
        """The same deadline with a margin kept for those who still have to carry the answer home."""
        return Deadline(self.at - margin_s)

"""Clocks that stand still until a test moves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that returns `now`, in epoch seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class DatetimeClock:
    """A clock that returns `now`, an aware datetime: noon (UTC) of 15 April 2026 by default."""

    def __init__(self, now: datetime = datetime(2026, 4, 15, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        """Moves the clock forward; `duration` is what `timedelta` takes."""
        self.now += timedelta(**duration)

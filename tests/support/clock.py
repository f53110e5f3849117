"""Clocks that stand still until a test moves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that shows `now` (seconds since 1970), which tests set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class DatetimeClock:
    """A clock that shows `now`, a date and time with a time zone. By default it starts at noon UTC on 15 April 2026."""

    def __init__(self, now: datetime = datetime(2026, 4, 15, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)

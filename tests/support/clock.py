"""Clocks that stand still until a test moves them, and ways to skip or stop time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest


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


def skip_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Sets `time.time` and the clock of the running event loop forward by `seconds`. Timers that are due by then fire
    at once, so that a timeout can be long and still end when a test says so."""
    # Not for connections to RabbitMQ: they would miss heartbeats.
    loop = asyncio.get_running_loop()
    epoch_s, loop_s = time.time, loop.time
    monkeypatch.setattr(time, "time", lambda: epoch_s() + seconds)
    monkeypatch.setattr(loop, "time", lambda: loop_s() + seconds)


@contextmanager
def deadlines_standing_still() -> Iterator[None]:
    """Stops the clock by which deadlines are checked, so that no deadline comes nearer until the context ends. Timers
    of the event loop go on."""
    with pytest.MonkeyPatch.context() as stopped:
        stopped.setattr(time, "time", Clock(time.time()))
        yield

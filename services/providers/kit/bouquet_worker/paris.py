"""Today's date in Paris."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")

Clock: TypeAlias = Callable[[], date]


def paris_today() -> date:
    """Returns today's date in Paris, on which the contract's rules depend."""
    return datetime.now(PARIS).date()

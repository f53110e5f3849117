"""The registry's clock, in UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

FIRST_YEAR, LAST_YEAR = 1970, 9000
"""First and last year of the times that are accepted. Some databases and clients cannot represent times outside this
range."""

Clock: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)

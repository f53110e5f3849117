"""Time in Paris, which the contract's rules and the texts for people use."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")


def moment_in_paris(at: float) -> str:
    """Writes a time, in seconds since the epoch, as `31/01/2027 à 14:05`, the time of day in Paris."""
    return f"{datetime.fromtimestamp(at, UTC).astimezone(PARIS):%d/%m/%Y à %H:%M}"

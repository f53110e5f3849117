"""Time in Paris, the time zone of the contract's rules and of texts for people."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")


def moment_in_paris(at: float) -> str:
    """Returns a time, given in seconds since the epoch, as a French text in Paris time, such as `31/01/2027 à
    14:05`."""
    return f"{datetime.fromtimestamp(at, UTC).astimezone(PARIS):%d/%m/%Y à %H:%M}"

"""French dates in words, in the time zone of Paris."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)


def day(at: date) -> str:
    """Returns a date in French words, such as `1er mars 2027`."""
    at = at.astimezone(PARIS) if isinstance(at, datetime) else at
    return f"{'1er' if at.day == 1 else at.day} {MONTHS[at.month - 1]} {at.year}"


def moment(at: datetime) -> str:
    """Returns a date and time in French words, such as `12 mars 2027 à 14 h 30`."""
    local = at.astimezone(PARIS)
    return f"{day(local)} à {local.hour} h {local.minute:02}"

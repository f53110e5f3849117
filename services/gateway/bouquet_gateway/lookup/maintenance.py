"""Maintenance windows: announced times, in Paris time, at which an administration does not answer
(docs/reference/contract.md §5.6). Example: `MEN 01:10-02:30; CNAF & MSA sunday 23:00-23:45`."""
# A window is daily, weekly or on one date. If its end is not after its start, it ends on the next day.

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias

from msgspec import Struct

from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.paris import PARIS
from bouquet_mesh.settings import SettingsError
from bouquet_proto.names import GATEWAY_PREFIX
from bouquet_proto.offer import Authority

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WINDOW = re.compile(
    rf"(?P<label>\S.*?)\s+((?P<day>{'|'.join(WEEKDAYS)}|\d{{4}}-\d\d-\d\d)\s+)?"
    r"(?P<start>\d\d:\d\d)\s*-\s*(?P<end>\d\d:\d\d)"
)


class MaintenanceWindow(Struct, frozen=True):
    """Announced period of maintenance, in which an administration does not answer: daily, weekly, or on one date."""

    label: str
    start: time
    end: time
    day: int | date | None = None
    """Weekday (0 for Monday) or date on which the window begins; `None` for every day."""

    def begins_on(self, day: date) -> bool:
        return self.day in (None, day.weekday(), day)

    def ends_at(self, day: date) -> datetime:
        return datetime.combine(day + timedelta(days=self.end <= self.start), self.end, PARIS)

    def starts_at(self, day: date) -> datetime:
        return datetime.combine(day, self.start, PARIS)


MaintenanceWindows: TypeAlias = tuple[MaintenanceWindow, ...]


class OpenWindow(Struct, frozen=True):
    """Maintenance window that is open now: its start and end as `HH:MM` in Paris time, and the seconds until its
    end."""

    start: str
    end: str
    left_s: int


def parse_windows(text: str) -> MaintenanceWindows:
    """Parses maintenance windows, separated by semicolons or line ends. Raises `SettingsError` with the position,
    counted from 1, of each malformed window."""
    rows = [row.strip() for row in re.split("[;\n]", text) if row.strip()]
    windows = [_parse(row) for row in rows]
    if wrong := [str(number) for number, window in enumerate(windows, 1) if window is None]:
        where = ", ".join(wrong)
        raise SettingsError([f"{GATEWAY_PREFIX}MAINTENANCE: window {where} is not LABEL [DAY] HH:MM-HH:MM"])
    return tuple(window for window in windows if window is not None)


def open_window(windows: MaintenanceWindows, label: str, now: datetime) -> OpenWindow | None:
    """Returns the maintenance window that is open at `now`, or `None`. Of several open windows, returns the last to
    end. `label` names the administration, such as `CNAF`."""
    found = [
        OpenWindow(f"{window.start:%H:%M}", f"{window.end:%H:%M}", math.ceil((ends - now).total_seconds()))
        for window, starts, ends in _around(windows, label, now)
        if starts <= now < ends
    ]
    return max(found, key=lambda opened: opened.left_s, default=None)


def open_until(windows: MaintenanceWindows, label: str, now: datetime) -> datetime | None:
    """Returns the end, in UTC, of the maintenance window that is open at `now`, or `None` if none is open. `label`
    names the administration, such as `CNAF`."""
    return max((ends for _, starts, ends in _around(windows, label, now) if starts <= now < ends), default=None)


def has_ended_since(windows: MaintenanceWindows, label: str, since: datetime, now: datetime) -> bool:
    """Returns whether a maintenance window of an administration has ended between `since` and `now`. `label` names the
    administration, such as `CNAF`."""
    return any(since < ends <= now for _, _, ends in _around(windows, label, now))


def refuse_in_window(windows: MaintenanceWindows, authority: Authority, now: datetime) -> None:
    """Raises a `Problem` if a maintenance window of the administration `authority` is open at `now`. The `Problem`
    tells the seconds until the window ends."""
    if windows and (opened := open_window(windows, authority.label, now)):
        values = {"start": opened.start, "end": opened.end}
        raise Problem("maintenance", authority=authority, meta={"retry_in": opened.left_s}, values=values)


def _around(
    windows: MaintenanceWindows, label: str, now: datetime
) -> Iterator[tuple[MaintenanceWindow, datetime, datetime]]:
    """Yields an administration's maintenance windows that begin today or on the two days before, with start and end in
    UTC. `label` names the administration, such as `CNAF`."""
    today = now.astimezone(PARIS).date()
    for window in windows:
        for day in (today - timedelta(days=days) for days in range(3)):
            if window.label == label and window.begins_on(day):
                yield window, window.starts_at(day).astimezone(UTC), window.ends_at(day).astimezone(UTC)


def _parse(row: str) -> MaintenanceWindow | None:
    match = WINDOW.fullmatch(row)
    try:
        return match and MaintenanceWindow(
            match["label"], time.fromisoformat(match["start"]), time.fromisoformat(match["end"]), _day(match["day"])
        )
    except ValueError:  # for instance 25:00, or 31 June
        return None


def _day(text: str | None) -> int | date | None:
    if text is None:
        return None
    return WEEKDAYS.index(text) if text in WEEKDAYS else date.fromisoformat(text)

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from bouquet_gateway.errors.problems import Problem, render, retry_after
from bouquet_gateway.lookup.maintenance import OpenWindow, open_window, parse_windows, refuse_in_window
from bouquet_mesh.settings import SettingsError
from tests.support.offers import ACME

PARIS = ZoneInfo("Europe/Paris")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


def opened(text: str, now: str) -> OpenWindow | None:
    return open_window(parse_windows(text), "ACME", at(now))


@pytest.mark.parametrize(
    ("now", "left_s"),
    [
        ("2026-03-10 01:09:59", None),
        ("2026-03-10 01:10:00", 4800),
        ("2026-03-10 02:29:59.5", 1),
        ("2026-03-10 02:30:00", None),
        ("2026-03-11 01:40:00", 3000),
    ],
)
def test_a_daily_maintenance_window_is_open_from_start_to_end(now: str, left_s: int | None) -> None:
    expected = None if left_s is None else OpenWindow("01:10", "02:30", left_s)
    assert opened("ACME 01:10-02:30", now) == expected


def test_a_weekly_maintenance_window_is_open_on_its_day() -> None:
    assert opened("ACME sunday 23:00-23:45", "2026-03-08 23:15") == OpenWindow("23:00", "23:45", 1800)


def test_a_weekly_maintenance_window_is_closed_on_other_days() -> None:
    assert opened("ACME sunday 23:00-23:45", "2026-03-09 23:15") is None


def test_a_dated_maintenance_window_is_open_once() -> None:
    windows = "ACME 2026-05-01 08:00-12:00"
    assert opened(windows, "2026-05-01 11:00") == OpenWindow("08:00", "12:00", 3600)
    assert opened(windows, "2026-05-02 11:00") is None
    assert opened(windows, "2027-05-01 11:00") is None


@pytest.mark.parametrize(("now", "is_open"), [("2026-05-01 23:00", True), ("2026-05-02 05:59", True)])
def test_a_maintenance_window_may_cross_midnight(now: str, is_open: bool) -> None:
    assert (opened("ACME 2026-05-01 22:00-06:00", now) is not None) is is_open


def test_a_weekly_maintenance_window_across_midnight_belongs_to_its_first_day() -> None:
    windows = "ACME sunday 22:00-06:00"
    assert opened(windows, "2026-03-09 05:00") is not None
    assert opened(windows, "2026-03-08 05:00") is None


def test_a_maintenance_window_from_midnight_to_midnight_lasts_a_day() -> None:
    assert opened("ACME 2026-05-01 00:00-00:00", "2026-05-01 23:59") == OpenWindow("00:00", "00:00", 60)


def test_a_maintenance_window_applies_to_its_authority_only() -> None:
    assert opened("OTHER & ACME 01:10-02:30", "2026-03-10 02:00") is None


def test_a_maintenance_window_s_label_may_have_spaces_and_signs() -> None:
    windows = parse_windows("CNAF & MSA sunday 23:00-23:45")
    assert open_window(windows, "CNAF & MSA", at("2026-03-08 23:15")) is not None


def test_of_several_open_maintenance_windows_the_last_to_end_counts() -> None:
    assert opened("ACME 01:00-03:00; ACME 01:30-02:00", "2026-03-10 01:45") == OpenWindow("01:00", "03:00", 4500)


def test_maintenance_windows_are_separated_by_lines_or_semicolons() -> None:
    assert parse_windows("A 01:00-02:00;B 03:00-04:00;\n") == parse_windows("A 01:00-02:00\nB 03:00 - 04:00")


def test_an_empty_setting_has_no_maintenance_window() -> None:
    assert parse_windows("") == ()


def test_the_current_time_may_be_in_any_time_zone() -> None:
    windows = parse_windows("ACME 01:10-02:30")
    assert open_window(windows, "ACME", datetime(2026, 7, 10, 23, 30, tzinfo=UTC)) == OpenWindow("01:10", "02:30", 3600)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_maintenance_window_across_a_clock_change_has_its_written_length(day: str) -> None:
    start = at(f"{day} 01:10").astimezone(UTC)
    windows = parse_windows("ACME 01:10-02:30")
    minutes = [
        minute for minute in range(240) if open_window(windows, "ACME", start + timedelta(minutes=minute)) is not None
    ]
    assert minutes == list(range(80))


@pytest.mark.parametrize(
    "wrong",
    ["ACME", "01:00-02:00", "ACME 25:00-26:00", "ACME 1:00-2:00", "ACME 2026-02-30 01:00-02:00", "ACME 01:00"],
)
def test_an_invalid_maintenance_window_is_reported_by_its_number(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_GATEWAY_MAINTENANCE: window 2 is not LABEL"):
        parse_windows(f"MEN 01:10-02:30; {wrong}; MEN 01:10-02:30")


def test_a_request_during_maintenance_is_refused_with_hours_and_wait() -> None:
    windows = parse_windows("ACME 01:10-02:30")
    with pytest.raises(Problem) as caught:
        refuse_in_window(windows, ACME, at("2026-03-10 02:00"))
    status, body = render(caught.value, {}, "v3")
    assert (status, retry_after(caught.value)) == (503, 1800)
    assert msgspec.json.decode(body)["errors"][0] == {
        "code": "90020",
        "title": "Maintenance du fournisseur de données",
        "detail": "Le fournisseur de données est en maintenance de 01:10 à 02:30",
        "meta": {"retry_in": 1800, "provider": "ACME"},
    }


def test_a_request_outside_of_maintenance_passes() -> None:
    refuse_in_window(parse_windows("ACME 01:10-02:30"), ACME, at("2026-03-10 03:00"))

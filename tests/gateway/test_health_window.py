"""Tests of the health of a resource (such as `ok`, `unknown` or `bad_gateway`), computed from the outcomes of its calls
in the last minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bouquet_gateway.public.health_window import SLICE_S, WINDOW_S, Circumstances, HealthWindow, state_of

NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
NOTHING_SPECIAL = Circumstances()


def window_after(*, calls: int, outages: int, at: datetime = NOON) -> HealthWindow:
    pulse = HealthWindow()
    for number in range(calls):
        pulse.record(at, outage=number < outages)
    return pulse


@pytest.mark.parametrize(
    ("calls", "outages", "word"),
    [(20, 2, "bad_gateway"), (21, 2, "ok"), (10, 2, "bad_gateway"), (100, 10, "bad_gateway"), (100, 9, "ok")],
)
def test_a_resource_with_a_tenth_of_outages_is_bad_gateway(calls: int, outages: int, word: str) -> None:
    assert state_of(window_after(calls=calls, outages=outages), NOTHING_SPECIAL, NOON) == word


@pytest.mark.parametrize(
    ("calls", "outages", "word"),
    [(0, 0, "ok"), (1, 0, "ok"), (1, 1, "unknown"), (9, 9, "unknown"), (9, 8, "ok"), (5, 1, "ok"), (10, 1, "ok")],
)
def test_a_few_outages_do_not_make_a_resource_bad_gateway(calls: int, outages: int, word: str) -> None:
    """Tests that too few calls, or too few outages among them, do not make a resource `bad_gateway`."""
    assert state_of(window_after(calls=calls, outages=outages), NOTHING_SPECIAL, NOON) == word


def test_outages_are_forgotten_after_ten_minutes() -> None:
    pulse = window_after(calls=10, outages=10)
    words = [state_of(pulse, NOTHING_SPECIAL, NOON + timedelta(seconds=s)) for s in (0, WINDOW_S - SLICE_S, WINDOW_S)]
    assert words == ["bad_gateway", "bad_gateway", "ok"]


def test_a_health_window_grows_neither_with_calls_nor_with_time() -> None:
    pulse = HealthWindow()
    for second in range(0, 24 * 3600, 7):
        pulse.record(NOON + timedelta(seconds=second), outage=False)
    calls, _ = pulse.counts(NOON + timedelta(hours=24) - timedelta(seconds=1))
    assert calls == pytest.approx(WINDOW_S / 7, abs=2)
    assert len(pulse._slices) == WINDOW_S // SLICE_S


def test_a_health_window_loses_no_call_when_the_clock_is_set_back() -> None:
    pulse = window_after(calls=5, outages=0)
    pulse.record(NOON - timedelta(minutes=2), outage=True)
    assert pulse.counts(NOON) == (6, 1)


def test_a_resource_without_calls_and_with_a_silent_worker_is_unknown() -> None:
    assert state_of(HealthWindow(), Circumstances(is_silent=True), NOON) == "unknown"


def test_recent_calls_have_precedence_over_a_silent_worker() -> None:
    assert state_of(window_after(calls=10, outages=10), Circumstances(is_silent=True), NOON) == "bad_gateway"
    assert state_of(window_after(calls=1, outages=0), Circumstances(is_silent=True), NOON) == "ok"


def test_a_maintenance_has_precedence_over_recent_calls() -> None:
    during = Circumstances(maintenance_until=NOON + timedelta(hours=1))
    assert state_of(window_after(calls=10, outages=10), during, NOON) == "maintenance"


def test_outages_during_a_maintenance_do_not_count_after_it() -> None:
    assert state_of(window_after(calls=10, outages=10), Circumstances(just_reopened=True), NOON) == "ok"

"""What a gateway concludes from the ends of calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bouquet_gateway.public.health_window import SLICE_S, WINDOW_S, Circumstances, HealthWindow, state_of

NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
NOTHING_SPECIAL = Circumstances()


def heard(*, calls: int, outages: int, at: datetime = NOON) -> HealthWindow:
    pulse = HealthWindow()
    for number in range(calls):
        pulse.record(at, outage=number < outages)
    return pulse


@pytest.mark.parametrize(
    ("calls", "outages", "word"),
    [(20, 2, "bad_gateway"), (21, 2, "ok"), (10, 2, "bad_gateway"), (100, 10, "bad_gateway"), (100, 9, "ok")],
)
def test_a_tenth_of_outages_is_too_many(calls: int, outages: int, word: str) -> None:
    assert state_of(heard(calls=calls, outages=outages), NOTHING_SPECIAL, NOON) == word


@pytest.mark.parametrize(
    ("calls", "outages", "word"),
    [(0, 0, "ok"), (1, 0, "ok"), (1, 1, "unknown"), (9, 9, "unknown"), (9, 8, "ok"), (5, 1, "ok"), (10, 1, "ok")],
)
def test_a_few_calls_do_not_make_it_down(calls: int, outages: int, word: str) -> None:
    """Nor does one failed call among many."""
    assert state_of(heard(calls=calls, outages=outages), NOTHING_SPECIAL, NOON) == word


def test_outages_are_forgotten_after_ten_minutes() -> None:
    pulse = heard(calls=10, outages=10)
    words = [state_of(pulse, NOTHING_SPECIAL, NOON + timedelta(seconds=s)) for s in (0, WINDOW_S - SLICE_S, WINDOW_S)]
    assert words == ["bad_gateway", "bad_gateway", "ok"]


def test_what_is_kept_does_not_grow_with_calls_nor_with_time() -> None:
    pulse = HealthWindow()
    for second in range(0, 24 * 3600, 7):
        pulse.record(NOON + timedelta(seconds=second), outage=False)
    calls, _ = pulse.counts(NOON + timedelta(hours=24) - timedelta(seconds=1))
    assert calls == pytest.approx(WINDOW_S / 7, abs=2)
    assert len(pulse._slices) == WINDOW_S // SLICE_S


def test_a_clock_that_is_set_back_loses_no_call() -> None:
    pulse = heard(calls=5, outages=0)
    pulse.record(NOON - timedelta(minutes=2), outage=True)
    assert pulse.counts(NOON) == (6, 1)


def test_without_calls_nobody_vouches_for_a_worker_that_is_away() -> None:
    assert state_of(HealthWindow(), Circumstances(is_silent=True), NOON) == "unknown"


def test_calls_tell_more_than_silence() -> None:
    assert state_of(heard(calls=10, outages=10), Circumstances(is_silent=True), NOON) == "bad_gateway"
    assert state_of(heard(calls=1, outages=0), Circumstances(is_silent=True), NOON) == "ok"


def test_a_maintenance_comes_before_what_was_heard() -> None:
    during = Circumstances(maintenance_until=NOON + timedelta(hours=1))
    assert state_of(heard(calls=10, outages=10), during, NOON) == "maintenance"


def test_outages_of_a_maintenance_are_not_held_against_anybody_after_it() -> None:
    assert state_of(heard(calls=10, outages=10), Circumstances(just_reopened=True), NOON) == "ok"

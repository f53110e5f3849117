"""Tests of the circuit breaker alone, without an upstream."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack

import pytest
from prometheus_client import REGISTRY

from bouquet_worker.breaker import MAX_PROBES, MIN_CALLERS, Breaker
from bouquet_worker.caller import on_behalf_of
from bouquet_worker.errors import UpstreamError
from tests.support.clock import Clock

OPEN_S = 5.0


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("acme", "api", after=3, open_s=OPEN_S, spread=0.0, clock=clock)


def call(breaker: Breaker, reason: str = "", *, counts_timeout: bool = True) -> str:
    try:
        with breaker.guard(counts_timeout=counts_timeout):
            if reason:
                raise UpstreamError(reason)
    except UpstreamError as error:
        return error.reason
    return ""


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        call(breaker, "upstream_timeout")


def gauge() -> float | None:
    return REGISTRY.get_sample_value("bouquet_upstream_breaker_open", {"provider": "acme", "upstream": "api"})


def test_a_breaker_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 3)
    assert call(breaker) == "breaker_open"


def test_an_answer_between_failures_keeps_the_breaker_closed(breaker: Breaker) -> None:
    fail(breaker, 2)
    call(breaker)
    fail(breaker, 2)
    assert call(breaker) == ""


@pytest.mark.parametrize("reason", ["upstream_unknown", "upstream_internal", "upstream_rate_limited", "own_reason"])
def test_an_answered_error_does_not_count_for_the_breaker(breaker: Breaker, reason: str) -> None:
    for _ in range(5):
        call(breaker, reason)
    assert call(breaker) == ""


def test_a_timeout_of_a_call_with_little_time_does_not_count_for_the_breaker(breaker: Breaker) -> None:
    for _ in range(5):
        call(breaker, "upstream_timeout", counts_timeout=False)
    assert call(breaker) == ""


def test_a_refused_connection_of_a_call_with_little_time_counts_for_the_breaker(breaker: Breaker) -> None:
    for _ in range(3):
        call(breaker, "upstream_unavailable", counts_timeout=False)
    assert call(breaker) == "breaker_open"


def test_an_answered_probe_closes_the_breaker(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    assert [call(breaker), call(breaker)] == ["", ""]


@pytest.mark.parametrize("reason", ["upstream_unavailable", "upstream_unresolved", "upstream_certificate"])
def test_a_probe_without_a_connection_opens_the_breaker_for_as_long_again(
    breaker: Breaker, clock: Clock, reason: str
) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    call(breaker, reason)
    clock.now = 2 * OPEN_S - 0.1
    assert call(breaker) == "breaker_open"
    clock.now = 2 * OPEN_S
    assert call(breaker) == ""


def test_one_timed_out_probe_does_not_keep_the_breaker_open(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    fail(breaker, 1)
    assert [call(breaker) for _ in range(5)] == [""] * 5


def test_other_probes_are_sent_while_one_probe_waits(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    with pytest.raises(UpstreamError), breaker.guard():
        assert [call(breaker) for _ in range(5)] == [""] * 5
        raise UpstreamError("upstream_timeout")
    assert call(breaker) == ""


def test_a_breaker_opens_for_as_long_again_when_every_probe_times_out(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    fail(breaker, MAX_PROBES)
    clock.now = 2 * OPEN_S - 0.1
    assert call(breaker) == "breaker_open"
    clock.now = 2 * OPEN_S
    fail(breaker, MAX_PROBES - 1)
    assert call(breaker) == ""


def test_a_breaker_sends_a_limited_number_of_probes_at_a_time(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    with ExitStack() as probes:
        for _ in range(MAX_PROBES):
            probes.enter_context(breaker.guard())
        assert call(breaker) == "breaker_open"


def test_timed_out_probes_and_waiting_ones_share_one_limit(breaker: Breaker, clock: Clock) -> None:
    """Tests that probes that timed out and probes that still wait count together towards the limit on probes. A probe
    is a call that finds out whether a failing upstream works again."""
    fail(breaker, 3)
    clock.now = OPEN_S
    fail(breaker, MAX_PROBES - 1)
    with breaker.guard():
        assert call(breaker) == "breaker_open"


def test_a_cancelled_probe_makes_room_for_the_next_one(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    with pytest.raises(asyncio.CancelledError), breaker.guard():
        raise asyncio.CancelledError
    assert call(breaker) == ""


def test_calls_under_way_when_a_breaker_opened_do_not_keep_it_open(breaker: Breaker, clock: Clock) -> None:
    late = breaker.guard()
    late.__enter__()
    fail(breaker, 3)
    clock.now = OPEN_S - 0.1
    late.__exit__(UpstreamError, UpstreamError("upstream_timeout"), None)
    clock.now = OPEN_S
    assert call(breaker) == ""


def test_calls_under_way_when_a_breaker_opened_do_not_add_probes(breaker: Breaker, clock: Clock) -> None:
    late = breaker.guard()
    late.__enter__()
    fail(breaker, 3)
    clock.now = OPEN_S
    with ExitStack() as probes:
        for _ in range(MAX_PROBES):
            probes.enter_context(breaker.guard())
        late.__exit__(None, None, None)
        assert call(breaker) == "breaker_open"


def test_a_gauge_shows_whether_a_breaker_is_open(breaker: Breaker, clock: Clock) -> None:
    states = [gauge()]
    fail(breaker, 3)
    states.append(gauge())
    clock.now = OPEN_S
    call(breaker)
    states.append(gauge())
    assert states == [0, 1, 0]


def test_a_breaker_logs_once_when_it_opens_and_once_when_it_closes(
    breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        fail(breaker, 10)
        clock.now = OPEN_S
        fail(breaker, MAX_PROBES)
        clock.now = 2 * OPEN_S
        call(breaker)
        call(breaker)
    assert caplog.messages == ["upstream stopped answering", "upstream answers again"]


def test_breakers_that_opened_together_send_their_probes_at_different_times(clock: Clock) -> None:
    breakers = [
        Breaker("acme", f"api {number}", after=3, open_s=OPEN_S, spread=0.2, clock=clock) for number in range(50)
    ]
    for breaker in breakers:
        fail(breaker, 3)
    clock.now = OPEN_S - 0.1
    assert {call(breaker) for breaker in breakers} == {"breaker_open"}
    clock.now = OPEN_S * 1.1
    assert {call(breaker) for breaker in breakers} == {"breaker_open", ""}
    clock.now = OPEN_S * 1.2
    assert {call(breaker) for breaker in breakers} == {""}


def time_out_for(breaker: Breaker, *marks: str) -> list[str]:
    reasons = []
    for mark in marks:
        with on_behalf_of(mark):
            reasons.append(call(breaker, "upstream_timeout"))
    return reasons


def test_timeouts_of_one_caller_do_not_open_the_breaker(breaker: Breaker) -> None:
    assert time_out_for(breaker, *["one"] * 50) == ["upstream_timeout"] * 50
    assert time_out_for(breaker, *["other"] * 50) == ["upstream_timeout"] * 50
    assert call(breaker) == ""


def test_timeouts_of_three_callers_open_the_breaker(breaker: Breaker) -> None:
    time_out_for(breaker, "one", "one", "two", "one", "two", "three")
    assert call(breaker) == "breaker_open"


def test_timeouts_before_an_answer_do_not_count_for_the_breaker(breaker: Breaker) -> None:
    time_out_for(breaker, "one", "two")
    call(breaker)
    time_out_for(breaker, *["three"] * 10)
    assert call(breaker) == ""


def test_refused_connections_of_one_caller_open_the_breaker(breaker: Breaker) -> None:
    with on_behalf_of("one"):
        for _ in range(3):
            call(breaker, "upstream_unavailable")
    assert call(breaker) == "breaker_open"


def test_timed_out_probes_of_one_caller_close_the_breaker(
    breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    time_out_for(breaker, *["one"] * MAX_PROBES)
    assert [call(breaker) for _ in range(MAX_PROBES + 1)] == [""] * (MAX_PROBES + 1)
    assert caplog.messages == ["upstream stopped answering", "upstream times out for few callers only"]


def test_timed_out_probes_of_three_callers_open_the_breaker_again(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    time_out_for(breaker, *map(str, range(max(MIN_CALLERS, MAX_PROBES))))
    assert call(breaker) == "breaker_open"

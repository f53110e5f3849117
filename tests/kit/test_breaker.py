"""The circuit breaker, without any upstream."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack

import pytest
from prometheus_client import REGISTRY

from bouquet_worker.breaker import CALLERS, PROBES, Breaker
from bouquet_worker.caller import on_behalf_of
from bouquet_worker.errors import UpstreamError
from tests.support.clock import Clock

OPEN_S = 5.0


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("acme", "fund", after=3, open_s=OPEN_S, spread=0.0, clock=clock)


def call(breaker: Breaker, reason: str = "", *, patient: bool = True) -> str:
    """The reason why a call failed, empty if it did not; `reason` is what its upstream does."""
    try:
        with breaker.guard(patient=patient):
            if reason:
                raise UpstreamError(reason)
    except UpstreamError as error:
        return error.reason
    return ""


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        call(breaker, "upstream_timeout")


def gauge() -> float | None:
    return REGISTRY.get_sample_value("bouquet_upstream_breaker_open", {"provider": "acme", "upstream": "fund"})


def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 3)
    assert call(breaker) == "breaker_open"


def test_an_answer_between_failures_keeps_it_closed(breaker: Breaker) -> None:
    fail(breaker, 2)
    call(breaker)
    fail(breaker, 2)
    assert call(breaker) == ""


@pytest.mark.parametrize("reason", ["upstream_unknown", "upstream_internal", "upstream_rate_limited", "own_reason"])
def test_an_error_that_is_answered_is_not_counted(breaker: Breaker, reason: str) -> None:
    for _ in range(5):
        call(breaker, reason)
    assert call(breaker) == ""


def test_a_caller_in_a_hurry_blames_nobody(breaker: Breaker) -> None:
    for _ in range(5):
        call(breaker, "upstream_timeout", patient=False)
    assert call(breaker) == ""


def test_a_refused_connection_counts_even_in_a_hurry(breaker: Breaker) -> None:
    for _ in range(3):
        call(breaker, "upstream_unavailable", patient=False)
    assert call(breaker) == "breaker_open"


def test_a_good_probe_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    assert [call(breaker), call(breaker)] == ["", ""]


@pytest.mark.parametrize("reason", ["upstream_unavailable", "upstream_unresolved", "upstream_certificate"])
def test_a_probe_without_a_connection_opens_it_for_as_long_again(breaker: Breaker, clock: Clock, reason: str) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    call(breaker, reason)
    clock.now = 2 * OPEN_S - 0.1
    assert call(breaker) == "breaker_open"
    clock.now = 2 * OPEN_S
    assert call(breaker) == ""


def test_a_probe_about_somebody_of_whom_the_fund_is_silent_does_not_keep_it_open(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    fail(breaker, 1)
    assert [call(breaker) for _ in range(5)] == [""] * 5


def test_others_are_tried_while_one_probe_waits(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    with pytest.raises(UpstreamError), breaker.guard():
        assert [call(breaker) for _ in range(5)] == [""] * 5
        raise UpstreamError("upstream_timeout")
    assert call(breaker) == ""


def test_a_fund_that_is_silent_to_every_probe_is_left_alone_for_as_long_again(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    fail(breaker, PROBES)
    clock.now = 2 * OPEN_S - 0.1
    assert call(breaker) == "breaker_open"
    clock.now = 2 * OPEN_S
    fail(breaker, PROBES - 1)
    assert call(breaker) == ""


def test_so_many_probes_go_at_a_time(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    with ExitStack() as probes:
        for _ in range(PROBES):
            probes.enter_context(breaker.guard())
        assert call(breaker) == "breaker_open"


def test_probes_that_met_silence_and_those_that_wait_count_together(breaker: Breaker, clock: Clock) -> None:
    """A silent fund keeps so many callers waiting, and no more."""
    fail(breaker, 3)
    clock.now = OPEN_S
    fail(breaker, PROBES - 1)
    with breaker.guard():
        assert call(breaker) == "breaker_open"


def test_a_cancelled_probe_leaves_its_place_to_the_next_call(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    with pytest.raises(asyncio.CancelledError), breaker.guard():
        raise asyncio.CancelledError
    assert call(breaker) == ""


def test_calls_under_way_when_it_opened_do_not_keep_it_open(breaker: Breaker, clock: Clock) -> None:
    late = breaker.guard()
    late.__enter__()
    fail(breaker, 3)
    clock.now = OPEN_S - 0.1
    late.__exit__(UpstreamError, UpstreamError("upstream_timeout"), None)
    clock.now = OPEN_S
    assert call(breaker) == ""


def test_calls_under_way_when_it_opened_do_not_let_more_probes_in(breaker: Breaker, clock: Clock) -> None:
    late = breaker.guard()
    late.__enter__()
    fail(breaker, 3)
    clock.now = OPEN_S
    with ExitStack() as probes:
        for _ in range(PROBES):
            probes.enter_context(breaker.guard())
        late.__exit__(None, None, None)
        assert call(breaker) == "breaker_open"


def test_its_state_is_a_gauge(breaker: Breaker, clock: Clock) -> None:
    states = [gauge()]
    fail(breaker, 3)
    states.append(gauge())
    clock.now = OPEN_S
    call(breaker)
    states.append(gauge())
    assert states == [0, 1, 0]


def test_it_speaks_once_when_it_opens_and_once_when_it_closes(
    breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        fail(breaker, 10)
        clock.now = OPEN_S
        fail(breaker, PROBES)
        clock.now = 2 * OPEN_S
        call(breaker)
        call(breaker)
    assert caplog.messages == ["upstream stopped answering", "upstream answers again"]


def test_processes_that_a_fund_failed_together_do_not_try_it_together(clock: Clock) -> None:
    breakers = [
        Breaker("acme", f"fund {number}", after=3, open_s=OPEN_S, spread=0.2, clock=clock) for number in range(50)
    ]
    for breaker in breakers:
        fail(breaker, 3)
    clock.now = OPEN_S - 0.1
    assert {call(breaker) for breaker in breakers} == {"breaker_open"}
    clock.now = OPEN_S * 1.1
    assert {call(breaker) for breaker in breakers} == {"breaker_open", ""}
    clock.now = OPEN_S * 1.2
    assert {call(breaker) for breaker in breakers} == {""}


def silence_to(breaker: Breaker, *marks: str) -> list[str]:
    told = []
    for mark in marks:
        with on_behalf_of(mark):
            told.append(call(breaker, "upstream_timeout"))
    return told


def test_silence_to_one_caller_refuses_nobody(breaker: Breaker) -> None:
    assert silence_to(breaker, *["one"] * 50) == ["upstream_timeout"] * 50
    assert silence_to(breaker, *["other"] * 50) == ["upstream_timeout"] * 50
    assert call(breaker) == ""


def test_silence_to_three_callers_is_the_upstream_s(breaker: Breaker) -> None:
    silence_to(breaker, "one", "one", "two", "one", "two", "three")
    assert call(breaker) == "breaker_open"


def test_silence_before_an_answer_counts_for_nothing(breaker: Breaker) -> None:
    silence_to(breaker, "one", "two")
    call(breaker)
    silence_to(breaker, *["three"] * 10)
    assert call(breaker) == ""


def test_a_refused_connection_is_about_nobody(breaker: Breaker) -> None:
    with on_behalf_of("one"):
        for _ in range(3):
            call(breaker, "upstream_unavailable")
    assert call(breaker) == "breaker_open"


def test_probes_of_one_caller_do_not_keep_it_open(
    breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    silence_to(breaker, *["one"] * PROBES)
    assert [call(breaker) for _ in range(PROBES + 1)] == [""] * (PROBES + 1)
    assert caplog.messages == ["upstream stopped answering", "upstream silent to few callers"]


def test_probes_of_as_many_callers_do(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = OPEN_S
    silence_to(breaker, *map(str, range(max(CALLERS, PROBES))))
    assert call(breaker) == "breaker_open"

"""So many calls a minute, as a fund's contract says."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouquet_worker.errors import UpstreamError
from bouquet_worker.quota import MINUTE_S, Quota
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


async def turn(quota: Quota, patience_s: float = 0.0) -> int | None:
    """`None` if there was one, else the seconds after which to come back."""
    try:
        await quota.turn(patience_s)
    except UpstreamError as error:
        assert error.reason == "quota_spent"
        return error.retry_in_s
    return None


async def test_so_many_calls_pass_and_the_next_is_told_when_to_come_back(clock: Clock) -> None:
    quota = Quota(3, clock)
    assert [await turn(quota) for _ in range(4)] == [None, None, None, 60]
    clock.now += 59.5
    assert await turn(quota) == 1


async def test_a_minute_after_a_call_there_is_room_for_another(clock: Clock) -> None:
    quota = Quota(1, clock)
    assert await turn(quota) is None
    clock.now += MINUTE_S
    assert [await turn(quota), await turn(quota)] == [None, 60]


async def test_a_refusal_takes_no_turn(clock: Clock) -> None:
    quota = Quota(1, clock)
    await turn(quota)
    for _ in range(100):
        await turn(quota)
    clock.now += MINUTE_S
    assert await turn(quota) is None


async def test_who_can_wait_waits_for_a_turn_of_its_own(clock: Clock) -> None:
    quota = Quota(1, clock)
    await turn(quota)
    clock.now += MINUTE_S - 0.05
    began = asyncio.get_running_loop().time()
    waiting = asyncio.create_task(turn(quota, patience_s=1.0))
    await asyncio.sleep(0)
    assert await turn(quota, patience_s=1.0) == 61  # the turn of a minute from now is taken
    assert await waiting is None
    assert asyncio.get_running_loop().time() - began > 0.04


async def test_without_a_number_there_is_no_limit(clock: Clock) -> None:
    quota = Quota(0, clock)
    assert {await turn(quota) for _ in range(1000)} == {None}
    assert quota.spare()


def test_a_repeat_takes_a_turn_where_one_is_free(clock: Clock) -> None:
    quota = Quota(1, clock)
    assert [quota.spare(), quota.spare()] == [True, False]


@given(pauses=st.lists(st.floats(0, 30), max_size=60), most=st.integers(1, 5))
def test_no_minute_holds_more_wherever_it_begins(pauses: list[float], most: int) -> None:
    clock, sent = Clock(1000.0), list[float]()
    quota = Quota(most, clock)
    for pause_s in pauses:
        clock.now += pause_s
        if quota.spare():
            sent.append(clock.now)
    assert all(sum(begin <= at < begin + MINUTE_S for at in sent) <= most for begin in sent)

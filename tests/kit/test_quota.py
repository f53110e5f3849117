"""Tests of the rate limit on an upstream, in calls per minute."""

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


async def slot(quota: Quota, max_wait_s: float = 0.0) -> int | None:
    try:
        await quota.wait_for_slot(max_wait_s)
    except UpstreamError as error:
        assert error.reason == "quota_spent"
        return error.retry_in_s
    return None


async def test_a_call_beyond_the_rate_limit_is_refused_with_the_seconds_to_wait(clock: Clock) -> None:
    quota = Quota(3, clock)
    assert [await slot(quota) for _ in range(4)] == [None, None, None, 60]
    clock.now += 59.5
    assert await slot(quota) == 1


async def test_the_slot_of_a_call_is_free_again_after_a_minute(clock: Clock) -> None:
    quota = Quota(1, clock)
    assert await slot(quota) is None
    clock.now += MINUTE_S
    assert [await slot(quota), await slot(quota)] == [None, 60]


async def test_a_refused_call_takes_no_slot(clock: Clock) -> None:
    quota = Quota(1, clock)
    await slot(quota)
    for _ in range(100):
        await slot(quota)
    clock.now += MINUTE_S
    assert await slot(quota) is None


async def test_a_call_with_time_waits_for_its_own_slot(clock: Clock) -> None:
    quota = Quota(1, clock)
    await slot(quota)
    clock.now += MINUTE_S - 0.05
    began = asyncio.get_running_loop().time()
    waiting = asyncio.create_task(slot(quota, max_wait_s=1.0))
    await asyncio.sleep(0)
    assert await slot(quota, max_wait_s=1.0) == 61  # the slot that is free in a minute is taken
    assert await waiting is None
    assert asyncio.get_running_loop().time() - began > 0.04


async def test_zero_calls_per_minute_is_no_limit(clock: Clock) -> None:
    quota = Quota(0, clock)
    assert {await slot(quota) for _ in range(1000)} == {None}
    assert quota.take_free_slot()


def test_a_retry_takes_a_slot_only_where_one_is_free(clock: Clock) -> None:
    quota = Quota(1, clock)
    assert [quota.take_free_slot(), quota.take_free_slot()] == [True, False]


@given(pauses=st.lists(st.floats(0, 30), max_size=60), most=st.integers(1, 5))
def test_no_minute_holds_more_calls_than_the_limit_wherever_it_begins(pauses: list[float], most: int) -> None:
    clock, sent = Clock(1000.0), list[float]()
    quota = Quota(most, clock)
    for pause_s in pauses:
        clock.now += pause_s
        if quota.take_free_slot():
            sent.append(clock.now)
    assert all(sum(begin <= at < begin + MINUTE_S for at in sent) <= most for begin in sent)

from __future__ import annotations

import asyncio
import logging
import tracemalloc
import uuid
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from bouquet_gateway.access.authenticate import limits_of
from bouquet_gateway.access.open_counters import open_counters
from bouquet_gateway.access.rate_limit import (
    MINUTE_S,
    Allowance,
    Counters,
    Limit,
    MemoryCounters,
    RateLimiter,
    RateWindow,
    allowance_of,
)
from bouquet_gateway.access.rate_limit_redis import RedisCounters
from bouquet_gateway.access.tokens import Rights
from bouquet_mesh.secret import Secret
from bouquet_proto.registry_messages import GroupLimit
from tests.support.clock import Clock
from tests.support.redis import RedisServer

NOWHERE = "redis://127.0.0.1:1/0"


SECOND = RateWindow(1, 1_000)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.broker)])
async def counters(request: pytest.FixtureRequest) -> AsyncIterator[Counters]:
    url = "memory:"
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        url = server.url
    async with open_counters(Secret(url)) as opened:
        yield opened


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


async def test_the_rate_limiter_allows_twenty_calls_a_second(counters: Counters, key: str) -> None:
    pace = RateLimiter(counters, clock=Clock(1_000.25))
    allowed = [(await pace.hit(key)).allowed for _ in range(22)]
    assert allowed == [True] * 20 + [False] * 2


async def test_the_rate_limiter_counts_every_concurrent_call(counters: Counters, key: str) -> None:
    pace = RateLimiter(counters, clock=Clock(1_000.25))
    verdicts = await asyncio.gather(*(pace.hit(key) for _ in range(30)))
    assert sum(verdict.allowed for verdict in verdicts) == 20


async def test_a_rate_window_begins_on_the_second(counters: Counters, key: str) -> None:
    clock = Clock(1_000.99)
    pace = RateLimiter(counters, limit=1, clock=clock)
    assert (await pace.hit(key)).allowed
    assert not (await pace.hit(key)).allowed
    clock.now = 1_001.0
    assert (await pace.hit(key)).allowed


async def test_two_keys_do_not_share_a_rate_limit(counters: Counters, key: str) -> None:
    pace = RateLimiter(counters, limit=1, clock=Clock(1_000.25))
    assert (await pace.hit(key)).allowed
    assert (await pace.hit(key + "other")).allowed


async def test_groups_have_a_rate_limit_each_and_share_the_caller_s_own(counters: Counters, key: str) -> None:
    pace = RateLimiter(counters, limit=1, clock=Clock(1_000.25))
    allowed = [(await pace.hit(key, Limit(3, MINUTE_S), group=group)).allowed for group in ("v2", "v3", "v4", "v5")]
    assert allowed == [True, True, True, False]


async def test_a_call_without_key_is_not_rate_limited(counters: Counters) -> None:
    pace = RateLimiter(counters, limit=1, clock=Clock(1_000.25))
    verdicts = [await pace.hit("") for _ in range(3)]
    assert [(verdict.allowed, verdict.remaining) for verdict in verdicts] == [(True, 1)] * 3


async def test_remaining_calls_decrease_to_zero_and_stay() -> None:
    pace = RateLimiter(MemoryCounters(), limit=2, clock=Clock(1_000.25))
    assert [(await pace.hit("a")).remaining for _ in range(4)] == [1, 0, 0, 0]


async def test_a_rate_window_may_last_a_minute() -> None:
    verdict = await RateLimiter(MemoryCounters(), period_s=60, clock=Clock(130.0)).hit("a")
    assert verdict.reset_at == 180


def test_an_allowed_call_has_rate_limit_headers() -> None:
    assert Allowance(20, 3, 1_001, 0, True).headers() == {
        "RateLimit-Limit": "20",
        "RateLimit-Remaining": "3",
        "RateLimit-Reset": "1001",
    }


def test_a_call_above_the_rate_limit_has_retry_after() -> None:
    headers = allowance_of(21, 20, 1_001, 1_000.25).headers()
    assert (headers["RateLimit-Remaining"], headers["RateLimit-Reset"], headers["Retry-After"]) == ("0", "1001", "1")


@given(st.integers(1, 60), st.floats(0, 2e9))
async def test_after_retry_after_a_call_is_in_the_next_window(period_s: int, now: float) -> None:
    pace = RateLimiter(MemoryCounters(), limit=0, period_s=period_s, clock=Clock(now))
    verdict = await pace.hit("a")
    assert 0 < verdict.retry_after_s <= period_s
    assert now < verdict.reset_at <= now + verdict.retry_after_s


async def test_counts_of_a_minute_are_kept_however_many_keys_are_counted() -> None:
    clock, counters = Clock(60_000.0), MemoryCounters()
    pace = RateLimiter(counters, clock=clock)
    first = await pace.hit("a", Limit(1, MINUTE_S))
    for number in range(50_000):
        clock.now = 60_000 + number / 1_000
        await pace.hit(str(number), Limit(1, MINUTE_S))
    again = await pace.hit("a", Limit(1, MINUTE_S))
    assert (first.allowed, again.allowed) == (True, False)
    clock.now = 60_060.0
    assert (await pace.hit("a", Limit(1, MINUTE_S))).allowed


async def test_counts_are_dropped_with_their_window() -> None:
    clock, counters = Clock(60_000.0), MemoryCounters()
    pace = RateLimiter(counters, clock=clock)
    tracemalloc.start()
    sizes = []
    for _ in range(10):
        for number in range(5_000):
            await pace.hit(f"token {number}", Limit(10, MINUTE_S))
        clock.now += 60
        await pace.hit("a", Limit(10, MINUTE_S))
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert max(sizes) < 100_000


async def test_counters_of_one_window_are_bounded_in_memory() -> None:
    counters = MemoryCounters(max_keys=3)
    counted = [await counters.increment(key, SECOND) for key in "abcda"]
    assert counted == [1, 1, 1, 1, 1]
    assert await counters.increment("d", SECOND) == 2


async def test_a_late_call_of_the_former_window_keeps_the_current_counts() -> None:
    counters = MemoryCounters()
    calls = (SECOND, RateWindow(1, 1_001), SECOND, RateWindow(1, 1_001))
    assert [await counters.increment("a", window) for window in calls] == [1, 1, 2, 3]


async def test_a_clock_that_is_set_back_starts_new_counts() -> None:
    counters = MemoryCounters()
    assert [await counters.increment("a", window) for window in (SECOND, RateWindow(1, 10))] == [1, 1]


@pytest.mark.broker
async def test_two_processes_share_rate_limit_counts_in_redis(redis_server: RedisServer, key: str) -> None:
    async with open_counters(Secret(redis_server.url)) as one, open_counters(Secret(redis_server.url)) as other:
        assert [await one.increment(key, SECOND), await other.increment(key, SECOND)] == [1, 2]


@pytest.mark.broker
async def test_rate_limit_counters_expire_in_redis(redis_server: RedisServer, key: str) -> None:
    async with Redis.from_url(redis_server.url) as client:
        await RedisCounters(client).increment(key, SECOND)
        assert 0 < await client.pttl(f"bouquet:pace:1:1000:{key}") <= 2_000


async def test_a_process_counts_by_itself_while_redis_is_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bouquet_gateway")
    async with open_counters(Secret(NOWHERE)) as counters:
        assert [await counters.increment("a", SECOND) for _ in range(3)] == [1, 2, 3]
    assert [record.message for record in caplog.records] == ["store unavailable"]


async def test_calls_counted_at_once_are_allowed_together_or_not_at_all(counters: Counters, key: str) -> None:
    pace = RateLimiter(counters, limit=5, clock=Clock(1_000.25))
    first, second = [await pace.hit(key, cost=3) for _ in range(2)]
    assert (first.allowed, first.remaining, second.allowed) == (True, 2, False)


def test_a_group_of_paths_limits_only_the_calls_of_its_paths() -> None:
    rights = Rights(
        scopes=frozenset(),
        siret="",
        calls_per_minute=60,
        group_limits=(GroupLimit("/v3/dss/", 10), GroupLimit("/v3/men/", 5)),
    )
    limits = limits_of(rights, ("/v3/dss/a", "/v3/dss/b", "/v3/mesri/c"))
    assert limits == (Limit(60, MINUTE_S, cost=3), Limit(10, MINUTE_S, "/v3/dss/", cost=2))

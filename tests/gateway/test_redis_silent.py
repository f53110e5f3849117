"""Tests of a redis that hangs, then wakes and carries out the waiting commands. No call is refused because of it
(docs/faults.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from redis.asyncio import Redis

from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.lookup.in_flight import InFlight
from bouquet_gateway.stores import optional, redis_client
from bouquet_gateway.stores.cache import Cache
from bouquet_gateway.stores.open_cache import open_cache
from bouquet_mesh.secret import Secret
from tests.support.clock import Clock
from tests.support.gateway_client import Answer
from tests.support.mesh import mesh
from tests.support.people import CAF_ALLOCATAIRE
from tests.support.redis import RedisServer
from tests.support.waiting import TEST_TIMEOUT_S

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("short_redis_timeout")]

SECRET = Secret("k" * 32)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@contextmanager
def silent(redis: RedisServer) -> Iterator[None]:
    redis.pause()
    try:
        yield
    finally:
        redis.resume()


@pytest.fixture
async def cache(redis: RedisServer) -> AsyncIterator[Cache]:
    """Yields a cache that is already connected to redis before the test makes redis hang."""
    async with open_cache(Secret(redis.url), SECRET) as opened:
        await opened.get("")
        yield opened


async def keys_of(redis: RedisServer) -> list[bytes]:
    async with Redis.from_url(redis.url) as client:
        return [bytes(key) for key in await client.keys("*") if isinstance(key, bytes)]


async def test_a_repeated_question_is_answered_while_redis_is_silent_and_after(redis: RedisServer) -> None:
    async with mesh(cache_url=Secret(redis.url)) as client:
        assert (await client.get(params=CAF_ALLOCATAIRE)).status == 200
        with silent(redis):
            during = await client.get(params=CAF_ALLOCATAIRE)
        after: list[Answer] = []
        async with asyncio.timeout(30):
            while not after or after[-1].headers["X-Response-Cached"] == "false":  # waits until redis is used again
                after.append(await client.get(params=CAF_ALLOCATAIRE))
                await asyncio.sleep(0.1)
        assert (await client.get(params=CAF_ALLOCATAIRE)).status == 200
    assert {answer.status for answer in (during, *after)} == {200}


async def test_a_marker_that_redis_sets_late_is_deleted(redis: RedisServer, cache: Cache) -> None:
    with silent(redis):
        assert await cache.add("marker", 60)
        await cache.delete("marker")
    async with asyncio.timeout(30):
        while await keys_of(redis):  # noqa: ASYNC110 - redis tells nobody
            await asyncio.sleep(0.05)
        assert await cache.add("marker", 60)


async def test_a_marker_set_before_redis_fell_silent_is_deleted(redis: RedisServer, cache: Cache) -> None:
    assert await cache.add("marker", 60)
    with silent(redis):
        await cache.get("something else")  # redis is known to be unavailable, and not used for a while
        await cache.delete("marker")
    async with asyncio.timeout(30):
        while await keys_of(redis):  # noqa: ASYNC110 - redis tells nobody
            await asyncio.sleep(0.05)


async def test_a_caller_that_disconnects_while_its_marker_is_set_leaves_none(redis: RedisServer, cache: Cache) -> None:
    in_flight = InFlight(cache, SECRET, 60.0)

    async def call() -> None:
        async with in_flight.exclusive("/", "", "somebody"):
            raise AssertionError("redis has not answered")

    with silent(redis):
        calling = asyncio.create_task(call())
        await asyncio.sleep(0.1)
        calling.cancel()
        await asyncio.wait([calling])
    assert await in_flight_again(in_flight)


async def in_flight_again(in_flight: InFlight) -> bool:
    """Tries for up to 30 s to mark a question as in flight, and returns True once the cache no longer refuses that."""
    async with asyncio.timeout(30):
        while True:
            try:
                async with in_flight.exclusive("/", "", "somebody"):
                    return True
            except Problem:
                await asyncio.sleep(0.05)


async def test_pending_deletions_are_bounded(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bouquet_gateway.stores.cache_redis.MAX_PENDING_DELETIONS", 3)
    monkeypatch.setattr(redis_client, "TIMEOUTS", dict.fromkeys(redis_client.TIMEOUTS, TEST_TIMEOUT_S))
    clock = Clock(0.0)  # while it stands still, a redis that is known to be unavailable is not used again
    monkeypatch.setattr(optional, "time", SimpleNamespace(monotonic=clock))
    async with open_cache(Secret(redis.url), SECRET) as cache:
        monkeypatch.setattr(optional, "TIMEOUT_S", TEST_TIMEOUT_S)
        for number in range(5):
            await cache.set(f"key {number}", b"", 600)
        with silent(redis):
            monkeypatch.setattr(optional, "TIMEOUT_S", 0.3)
            await cache.get("something else")
            for number in range(5):
                await cache.delete(f"key {number}")
        monkeypatch.setattr(optional, "TIMEOUT_S", TEST_TIMEOUT_S)
        clock.now += optional.PAUSE_S
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while len(await keys_of(redis)) > 2:  # noqa: ASYNC110 - redis tells nobody
                await asyncio.sleep(0.05)
    assert sorted(await keys_of(redis)) == [b"bouquet:cache:key 0", b"bouquet:cache:key 1"]  # the oldest

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from bouquet_gateway.stores import optional
from bouquet_gateway.stores.cache import Cache, CachedValue, key_of
from bouquet_gateway.stores.cache_memory import ENTRY_BYTES, MemoryCache
from bouquet_gateway.stores.open_cache import open_cache
from bouquet_gateway.stores.optional import PAUSE_S, OptionalStore
from bouquet_gateway.stores.pipelining import MAX_IN_FLIGHT
from bouquet_mesh.secret import Secret
from tests.support.redis import RedisServer
from tests.support.waiting import until

SECRET = Secret("k" * 32)
NOWHERE = Secret("redis://127.0.0.1:1/0")


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.broker)])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    url = "memory:"
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        url = server.url
        async with Redis.from_url(url) as client:
            await client.flushdb()
    async with open_cache(Secret(url), SECRET) as opened:
        yield opened


async def test_a_cached_value_is_found_with_its_remaining_time(cache: Cache) -> None:
    await cache.set("key", b"value", 3600)
    stored = await cache.get("key")
    assert stored is not None
    assert stored.value == b"value"
    assert 3590 <= stored.expires_in_s <= 3600


async def test_an_unknown_key_is_a_miss(cache: Cache) -> None:
    assert await cache.get("key") is None


async def test_an_empty_value_is_not_a_miss(cache: Cache) -> None:
    await cache.set("key", b"", 60)
    assert (await cache.get("key")) is not None


async def test_an_expired_value_is_a_miss(cache: Cache) -> None:
    await cache.set("key", b"value", 0.05)
    await asyncio.sleep(0.1)
    assert await cache.get("key") is None


async def test_a_second_value_replaces_the_first(cache: Cache) -> None:
    await cache.set("key", b"one", 60)
    await cache.set("key", b"two", 60)
    assert (await cache.get("key") or CachedValue(b"", 0)).value == b"two"


async def test_a_deleted_key_is_a_miss(cache: Cache) -> None:
    await cache.set("key", b"value", 60)
    await cache.delete("key")
    assert await cache.get("key") is None


async def test_of_many_concurrent_marks_of_a_key_one_succeeds(cache: Cache) -> None:
    assert sorted(await asyncio.gather(*(cache.add("key", 60) for _ in range(10)))) == [False] * 9 + [True]


async def test_a_deleted_mark_can_be_set_again(cache: Cache) -> None:
    await cache.add("key", 60)
    await cache.delete("key")
    assert await cache.add("key", 60)


async def test_a_mark_expires_by_itself(cache: Cache) -> None:
    assert await cache.add("key", 0.05)
    await asyncio.sleep(0.1)
    assert await cache.add("key", 60)


async def test_deleting_an_unknown_key_does_nothing(cache: Cache) -> None:
    await cache.delete("key")


async def test_a_full_memory_cache_drops_the_oldest_entry() -> None:
    async with open_cache(Secret("memory:"), SECRET, max_items=2) as cache:
        for key in ("a", "b", "a", "c"):
            await cache.set(key, b"", 60)
        assert [await cache.get(key) is not None for key in ("a", "b", "c")] == [True, False, True]


async def test_a_full_memory_cache_drops_as_many_entries_as_a_large_value_needs() -> None:
    async with open_cache(Secret("memory:"), SECRET, max_bytes=3 * ENTRY_BYTES + 3000) as cache:
        for key in ("a", "b", "c"):
            await cache.set(key, bytes(1000), 60)
        await cache.set("large", bytes(2000), 60)
        assert [await cache.get(key) is not None for key in ("a", "b", "c", "large")] == [False, False, True, True]


async def test_a_value_larger_than_the_memory_cache_is_not_kept_and_drops_no_entry() -> None:
    async with open_cache(Secret("memory:"), SECRET, max_bytes=5000) as cache:
        await cache.set("small", b"value", 60)
        await cache.set("large", bytes(5000), 60)
        assert [await cache.get(key) is not None for key in ("small", "large")] == [True, False]


@pytest.mark.broker
async def test_many_concurrent_calls_share_few_redis_connections(redis_server: RedisServer) -> None:
    async with open_cache(Secret(redis_server.url), SECRET) as cache, Redis.from_url(redis_server.url) as other:
        await other.client_kill_filter(_type="normal", skipme=True)  # connections opened by other tests
        await asyncio.gather(*(cache.set(f"key-{number}", b"", 60) for number in range(160)))
        assert 1 < (await other.info("clients"))["connected_clients"] <= MAX_IN_FLIGHT + 1
        assert await cache.get("key-159")


VERBS = st.sampled_from(["set", "add", "delete"])


@given(steps=st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3000), VERBS)))
async def test_the_memory_cache_never_exceeds_its_bytes(steps: list[tuple[str, int, str]]) -> None:
    cache = MemoryCache(max_items=100, max_bytes=4000)
    for key, size, verb in steps:
        match verb:
            case "set":
                await cache.set(key, bytes(size), 60)
            case "add":
                await cache.add(key, 60)
            case _:
                await cache.delete(key)
        held = cache._entries.values()
        assert cache.used_bytes == sum(ENTRY_BYTES + len(entry.value) for entry in held) <= 4000


async def test_expired_entries_are_swept_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bouquet_gateway.stores.cache_memory.SWEEP_S", 0.02)
    async with open_cache(Secret("memory:"), SECRET) as cache:
        assert isinstance(cache, MemoryCache)
        await cache.set("kept", bytes(1000), 60)
        await cache.set("over", bytes(1000), 0.01)
        await until(lambda: list(cache._entries) == ["kept"])
        assert cache.used_bytes == ENTRY_BYTES + 1000


async def test_two_memory_caches_share_no_entries() -> None:
    async with open_cache(Secret("memory:"), SECRET) as one, open_cache(Secret("memory:"), SECRET) as other:
        await one.set("key", b"value", 60)
        assert await other.get("key") is None


async def test_a_closed_memory_cache_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with open_cache(Secret("memory:"), SECRET):
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before


@pytest.mark.broker
async def test_redis_holds_no_value_in_plain_text(redis_server: RedisServer) -> None:
    async with open_cache(Secret(redis_server.url), SECRET) as cache:
        await cache.set("secret", b"quotient familial", 60)
    async with Redis.from_url(redis_server.url) as client:
        sealed = await client.get("bouquet:cache:secret")
    assert isinstance(sealed, bytes)
    assert b"quotient" not in sealed


@pytest.mark.broker
async def test_two_processes_with_one_secret_share_a_value(redis_server: RedisServer) -> None:
    url = Secret(redis_server.url)
    async with open_cache(url, SECRET) as one, open_cache(url, SECRET) as other:
        await one.set("shared", b"value", 60)
        assert (await other.get("shared") or CachedValue(b"", 0)).value == b"value"


@pytest.mark.broker
async def test_a_value_is_a_miss_under_another_secret(redis_server: RedisServer) -> None:
    url = Secret(redis_server.url)
    async with open_cache(url, SECRET) as one, open_cache(url, Secret("o" * 32)) as other:
        await one.set("foreign", b"value", 60)
        assert await other.get("foreign") is None


@pytest.mark.broker
@pytest.mark.parametrize("junk", [b"", b"junk", b"x" * 64])
async def test_junk_in_redis_is_a_miss(redis_server: RedisServer, junk: bytes) -> None:
    async with open_cache(Secret(redis_server.url), SECRET) as cache, Redis.from_url(redis_server.url) as client:
        await client.set("bouquet:cache:junk", junk)
        assert await cache.get("junk") is None


@pytest.mark.broker
async def test_a_value_moved_under_another_key_is_a_miss(redis_server: RedisServer) -> None:
    async with open_cache(Secret(redis_server.url), SECRET) as cache, Redis.from_url(redis_server.url) as client:
        await cache.set("mine", b"value", 60)
        await client.copy("bouquet:cache:mine", "bouquet:cache:yours", replace=True)
        assert await cache.get("yours") is None


async def test_without_redis_reads_miss_and_marks_succeed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bouquet_gateway")
    async with open_cache(NOWHERE, SECRET) as cache:
        await cache.set("key", b"value", 60)
        assert await cache.get("key") is None
        assert await cache.add("key", 60)
        assert await cache.add("key", 60)
        await cache.delete("key")
    assert [record.message for record in caplog.records] == ["store unavailable"]


async def test_a_silent_redis_costs_one_timeout_and_not_one_for_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(optional, "PAUSE_S", 3600.0)
    asked = 0

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await closing.wait()
        writer.close()

    closing = asyncio.Event()
    async with await asyncio.start_server(say_nothing, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        async with open_cache(Secret(f"redis://127.0.0.1:{port}/0"), SECRET) as cache:
            assert await cache.get("key") is None
            await until(lambda: asked == 1)
            assert await cache.add("key", 60)
            assert asked == 1
        closing.set()


async def test_a_store_that_is_available_again_is_used_and_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("bouquet_gateway.stores.optional.time.monotonic", lambda: now[0])
    caplog.set_level(logging.INFO, "bouquet_gateway")
    away = True

    async def work() -> str:
        if away:
            raise ConnectionError
        return "here"

    store = OptionalStore("cache")
    assert await store.attempt("away", work) == "away"
    away = False
    assert await store.attempt("away", work) == "away"
    now[0] += PAUSE_S
    assert await store.attempt("away", work) == "here"
    assert [record.message for record in caplog.records] == ["store unavailable", "store available again"]


def test_a_cache_key_is_a_keyed_hash() -> None:
    key = key_of(SECRET, "data", "DURANT")
    assert len(key) == 64
    assert key != key_of(Secret("o" * 32), "data", "DURANT")


def test_a_cache_key_is_the_same_in_every_process() -> None:
    expected = "743a7b66b2c259586157726212ddcb694b808d3571f6d53d8889fefb45724caa"
    assert key_of(SECRET, "data", "DURANT") == expected


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_two_questions_never_share_a_cache_key(one: list[str], other: list[str]) -> None:
    assert (key_of(SECRET, *one) == key_of(SECRET, *other)) == (one == other)


async def test_setting_the_wall_clock_does_not_change_expiry_in_memory() -> None:
    async with open_cache(Secret("memory:"), SECRET) as cache:
        with time_machine.travel(datetime.now(UTC) + timedelta(days=400), tick=True):
            await cache.set("during", b"", 3600)
        assert 3590 <= (await cache.get("during") or CachedValue(b"", 0)).expires_in_s <= 3600
        await cache.set("before", b"", 3600)
        with time_machine.travel(datetime.now(UTC) + timedelta(days=400), tick=True):
            assert await cache.get("before") is not None

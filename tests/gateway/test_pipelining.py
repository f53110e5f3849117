"""Tests that the redis client sends concurrent commands in batches, and that each gets its own answer."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError, TimeoutError

from bouquet_gateway.access.open_counters import open_counters
from bouquet_gateway.access.rate_limit import RateWindow
from bouquet_gateway.stores.cache import CachedValue
from bouquet_gateway.stores.open_cache import open_cache
from bouquet_gateway.stores.pipelining import MAX_IN_FLIGHT, PipeliningRedis
from bouquet_gateway.stores.redis_client import client_of, open_redis
from bouquet_mesh.secret import Secret
from tests.support.redis import RedisServer
from tests.support.waiting import TEST_TIMEOUT_S

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]
KEY = Secret("the key of the tests that seals what is cached")


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[PipeliningRedis]:
    opened = client_of(Secret(redis_server.url))
    assert isinstance(opened, PipeliningRedis)
    async with opened:
        yield opened


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


async def test_each_redis_command_gets_its_own_answer(client: PipeliningRedis, key: str) -> None:
    assert await asyncio.gather(*(client.set(f"{key} {n}", n) for n in range(50))) == [True] * 50
    assert await asyncio.gather(*(client.get(f"{key} {n}") for n in range(50))) == [b"%d" % n for n in range(50)]


async def test_redis_commands_above_the_limit_are_sent_as_one_batch(
    client: PipeliningRedis, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    answers = PipeliningRedis._execute_batch

    async def counted(self: PipeliningRedis, asked: Any) -> Any:
        batches.append(len(asked))
        return await answers(self, asked)

    monkeypatch.setattr(PipeliningRedis, "_execute_batch", counted)
    counts = await asyncio.gather(*(client.incr(key) for _ in range(50)))
    assert sorted(counts) == list(range(1, 51))
    assert batches == [50 - MAX_IN_FLIGHT]


async def test_a_redis_command_that_fails_does_not_fail_its_batch(client: PipeliningRedis, key: str) -> None:
    await client.set(key, "no number")
    told = await asyncio.gather(
        *(one(key) for one in (client.incr, client.get) * MAX_IN_FLIGHT), return_exceptions=True
    )
    assert all(isinstance(one, ResponseError) for one in told[::2])
    assert told[1::2] == [b"no number"] * MAX_IN_FLIGHT


async def test_a_cancelled_redis_command_delays_no_other(client: PipeliningRedis, key: str) -> None:
    asking = [asyncio.ensure_future(client.incr(key)) for _ in range(MAX_IN_FLIGHT + 4)]
    await asyncio.sleep(0)
    given_up = asking[: MAX_IN_FLIGHT + 2]  # those in flight, and two that wait for them
    for one in given_up:
        one.cancel()
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in told] == [True] * len(given_up) + [False] * 2
    assert await client.incr(key) >= 3


@pytest.mark.usefixtures("short_redis_timeout")
async def test_a_silent_redis_fails_the_whole_batch_and_is_used_again(key: str, redis_server: RedisServer) -> None:
    async with open_redis(Secret(redis_server.url)) as client, asyncio.timeout(TEST_TIMEOUT_S):
        while await gathered(client, key, 1) != [None]:
            pass
        redis_server.pause()
        try:
            told = await gathered(client, key, 2 * MAX_IN_FLIGHT)
        finally:
            redis_server.resume()
        assert [type(one) for one in told] == [TimeoutError] * 2 * MAX_IN_FLIGHT
        while await gathered(client, key, 5) != [None] * 5:
            pass


async def gathered(client: Redis, key: str, count: int) -> list[Any]:
    return await asyncio.gather(*(client.get(key) for _ in range(count)), return_exceptions=True)


async def test_a_cut_redis_connection_is_opened_again(
    client: PipeliningRedis, key: str, redis_server: RedisServer
) -> None:
    await client.set(key, "here")
    async with Redis.from_url(redis_server.url) as other:
        await other.client_kill_filter(_type="normal", skipme=True)
    await asyncio.gather(*(client.get(key) for _ in range(MAX_IN_FLIGHT)), return_exceptions=True)
    assert await asyncio.gather(*(client.get(key) for _ in range(2 * MAX_IN_FLIGHT))) == [b"here"] * 2 * MAX_IN_FLIGHT


async def test_closing_the_redis_client_waits_for_commands_in_flight(redis_server: RedisServer, key: str) -> None:
    async with open_redis(Secret(redis_server.url)) as client:
        asking = [asyncio.ensure_future(client.incr(key)) for _ in range(3 * MAX_IN_FLIGHT)]
        await asyncio.wait(asking[:1])
    assert sorted([await one for one in asking]) == list(range(1, 3 * MAX_IN_FLIGHT + 1))


async def test_a_redis_user_with_the_rights_that_operations_md_names_is_enough(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    [rights] = re.findall(r"`(~bouquet:\* [^`]+)`", (ROOT / "docs" / "operations" / "users-and-rights.md").read_text())
    async with Redis.from_url(redis_server.url) as operator:
        user = ["ACL", "SETUSER", "town", "reset", "on", ">password", *rights.split()]
        await operator.execute_command(*user)  # type: ignore[no-untyped-call]
        await operator.script_flush()
    url = Secret(redis_server.url.replace("://", "://town:password@"))
    with caplog.at_level(logging.WARNING, "bouquet_gateway"):
        async with open_cache(url, KEY) as cache, open_counters(url) as counters, open_redis(url) as client:
            await cache.set("a", b"value", 60)
            assert (await cache.get("a") or CachedValue(b"", 0)).value == b"value"
            assert await cache.add("b", 60)
            await cache.delete("a")
            assert await counters.increment("token", RateWindow(60, 1)) == 1
            assert await counters.increment("token", RateWindow(60, 1)) == 2
            assert await client.time()
    assert not caplog.records

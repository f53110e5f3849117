"""Commands that are asked at once go to redis together, and each gets its own answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from bouquet_gateway.besteffort import open_redis
from bouquet_gateway.together import Together
from bouquet_proto.settings import Secret
from tests.support.redis import RedisServer

pytestmark = pytest.mark.broker


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Together]:
    opened = open_redis(Secret(redis_server.url))
    assert isinstance(opened, Together)
    async with opened:
        yield opened


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


async def test_each_gets_its_own_answer_in_the_order_of_asking(client: Together, key: str) -> None:
    counts = await asyncio.gather(*(client.incr(key) for _ in range(50)))
    assert counts == list(range(1, 51))


async def test_what_is_asked_at_once_takes_two_ways_however_much_it_is(
    client: Together, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    answers = Together._answers

    async def counted(self: Together, asked: Any) -> Any:
        batches.append(len(asked))
        return await answers(self, asked)

    monkeypatch.setattr(Together, "_answers", counted)
    await asyncio.gather(*(client.incr(key) for _ in range(50)))
    assert batches == [49]


async def test_a_refused_command_leaves_the_others_their_answers(client: Together, key: str) -> None:
    await client.set(key, "no number")
    bad, *good = await asyncio.gather(
        client.incr(key), client.get(key), client.incr(key), client.get(key), return_exceptions=True
    )
    assert isinstance(bad, ResponseError)
    assert isinstance(good[1], ResponseError)
    assert [good[0], good[2]] == [b"no number"] * 2


async def test_who_gives_up_keeps_nobody_waiting(client: Together, key: str) -> None:
    asking = [asyncio.ensure_future(client.incr(key)) for _ in range(5)]
    await asyncio.sleep(0)
    for one in asking[:3]:  # the one under way, and two that wait for it
        one.cancel()
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in told] == [True] * 3 + [False] * 2
    assert await client.incr(key) >= 3


async def test_a_redis_that_says_nothing_is_an_error_for_all_and_then_asked_again(
    client: Together, key: str, redis_server: RedisServer
) -> None:
    await client.set(key, "here")
    async with Redis.from_url(redis_server.url) as other:
        await other.client_pause(1500)
    asking = [asyncio.ensure_future(client.get(key)) for _ in range(5)]
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(one) for one in told] == [TimeoutError] * 5
    async with asyncio.timeout(20):
        while await asyncio.gather(*(client.get(key) for _ in range(5)), return_exceptions=True) != [b"here"] * 5:
            pass


async def test_a_connection_that_was_cut_is_made_again(client: Together, key: str, redis_server: RedisServer) -> None:
    await client.set(key, "here")
    async with Redis.from_url(redis_server.url) as other:
        await other.client_kill_filter(_type="normal", skipme=True)
    with suppress(ConnectionError):
        await client.get(key)
    assert await asyncio.gather(*(client.get(key) for _ in range(5))) == [b"here"] * 5

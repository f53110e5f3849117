"""F16, F17: calls neither queue behind one another nor wait for themselves."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_mesh.bus.api import Handler
from bouquet_proto.messages import Reply, Request
from tests.mesh.buses import FOUND, PROVIDER, Stopwatch, find, lookup, serving

pytestmark = pytest.mark.broker

SLOWEST_S = 1.0


def taking(seconds: float) -> Handler:
    async def handler(_: Request) -> Reply:
        await asyncio.sleep(seconds)
        return FOUND

    return handler


async def test_f16_five_providers_asked_at_once_take_as_long_as_the_slowest(caller: AmqpBus) -> None:
    async with AsyncExitStack() as workers:
        for share, provider in enumerate("abcde", start=6):
            handler = taking(SLOWEST_S * share / 10)
            await workers.enter_async_context(serving(caller, handler, provider=provider))
        watch = Stopwatch()
        replies = await asyncio.gather(*(caller.call(provider, lookup()) for provider in "abcde"))
    assert replies == [FOUND] * 5
    assert SLOWEST_S <= watch.seconds() < 2 * SLOWEST_S  # one after another: 4 s


async def test_f16_a_hundred_calls_to_one_provider_take_as_long_as_one(caller: AmqpBus) -> None:
    async with serving(caller, taking(SLOWEST_S), concurrency=100):
        watch = Stopwatch()
        replies = await asyncio.gather(*(caller.call(PROVIDER, lookup()) for _ in range(100)))
    assert replies == [FOUND] * 100
    assert watch.seconds() < 5 * SLOWEST_S  # one after another: 100 s


async def test_f17_a_handler_may_wait_for_calls_of_its_own_on_the_same_connection(caller: AmqpBus) -> None:
    async def asking(request: Request) -> Reply:
        """Another provider, and this one again."""
        if request.id == "inner":
            return FOUND
        assert await caller.call("other", lookup("inner")) == FOUND
        return await caller.call(PROVIDER, lookup("inner"))

    async with serving(caller, asking, concurrency=2), serving(caller, find, provider="other", concurrency=1):
        assert await caller.call(PROVIDER, lookup("outer")) == FOUND

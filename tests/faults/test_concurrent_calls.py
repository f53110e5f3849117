"""Tests of faults F16, F17 of docs/faults.md: concurrent calls neither wait for each other nor deadlock."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_mesh.bus.api import Handler
from bouquet_proto.messages import Reply, Request
from tests.support.bus import FOUND, PROVIDER, lookup_request, reply_found, serving

pytestmark = pytest.mark.broker


def all_together(count: int) -> Handler:
    """Returns a handler that answers only once `count` requests are being handled at the same time."""
    together = asyncio.Barrier(count)

    async def handler(_: Request) -> Reply:
        await together.wait()
        return FOUND

    return handler


async def test_f16_calls_to_five_providers_are_handled_concurrently(caller: AmqpBus) -> None:
    handler = all_together(5)
    async with AsyncExitStack() as workers:
        for provider in "abcde":
            await workers.enter_async_context(serving(caller, handler, provider=provider))
        replies = await asyncio.gather(*(caller.call(provider, lookup_request()) for provider in "abcde"))
    assert replies == [FOUND] * 5


async def test_f16_a_hundred_calls_to_one_provider_are_handled_concurrently(caller: AmqpBus) -> None:
    async with serving(caller, all_together(100), concurrency=100):
        replies = await asyncio.gather(*(caller.call(PROVIDER, lookup_request()) for _ in range(100)))
    assert replies == [FOUND] * 100


async def test_f17_a_handler_may_wait_for_calls_of_its_own_on_the_same_connection(caller: AmqpBus) -> None:
    async def asking(request: Request) -> Reply:
        if request.id == "inner":
            return FOUND
        assert await caller.call("other", lookup_request("inner")) == FOUND
        return await caller.call(PROVIDER, lookup_request("inner"))

    async with serving(caller, asking, concurrency=2), serving(caller, reply_found, provider="other", concurrency=1):
        assert await caller.call(PROVIDER, lookup_request("outer")) == FOUND

"""Tests of a worker that the network has cut off from the broker. Until the worker has missed its heartbeats, the
broker still gives it requests."""

from __future__ import annotations

import asyncio

import pytest

from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_mesh.bus.consumer import PREFETCH_PER_HANDLER
from bouquet_proto.messages import Failed, Reply
from tests.support.broker import Broker
from tests.support.bus import FOUND, PROVIDER, connected_bus, lookup_request, reply_found, serving, until_reply
from tests.support.proxy import TcpProxy
from tests.support.waiting import TEST_TIMEOUT_S

pytestmark = pytest.mark.broker

LATE = Failed("deadline_exceeded")
WORKS_ON = 3
NOT_LOST_S = 5.0
"""Deadline of calls, in seconds: too short for the broker to notice that it has lost a worker."""


async def test_a_lost_worker_costs_at_most_the_calls_that_it_holds_and_is_dropped_by_heartbeat(
    url: str, caller: AmqpBus, broker: Broker
) -> None:
    async with TcpProxy(url) as relay, connected_bus(url) as other, serving(other, reply_found, concurrency=WORKS_ON):
        await relay.open()
        async with connected_bus(relay.url) as lost, serving(lost, reply_found, concurrency=WORKS_ON):
            await until_reply(caller, FOUND)
            relay.hold()
            replies = list[Reply]()
            async with asyncio.timeout(TEST_TIMEOUT_S):
                while not replies or await broker.consumers() == 2:
                    calls = (caller.call(PROVIDER, lookup_request(within_s=NOT_LOST_S)) for _ in range(10))
                    replies += await asyncio.gather(*calls)
            assert all(reply in (FOUND, LATE) for reply in replies)
            assert 0 < replies.count(LATE) <= PREFETCH_PER_HANDLER * WORKS_ON
            after = await asyncio.gather(*(caller.call(PROVIDER, lookup_request()) for _ in range(20)))
            assert after == [FOUND] * 20
            relay.resume()

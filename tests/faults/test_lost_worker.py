"""A worker that the network has swallowed: the broker believes in its consumer until the heartbeat ends."""

from __future__ import annotations

import asyncio

import pytest

from bouquet_mesh.amqp.connection import HEARTBEAT_S
from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_proto.messages import Failed, Reply
from tests.faults.broker import Broker
from tests.mesh.buses import FOUND, PROVIDER, Stopwatch, connected, find, lookup, serving, until_answered
from tests.support.proxy import Relay

pytestmark = pytest.mark.broker

LATE = Failed("deadline_exceeded")
WORKS_ON = 3
GIVEN_UP_WITHIN_S = 3 * HEARTBEAT_S + 10
"""The broker looks once a heartbeat, and lets two go by; the rest is the machine's."""


async def test_it_costs_as_many_calls_as_it_works_on_at_a_time_and_is_given_up_by_its_heartbeat(
    url: str, caller: AmqpBus, broker: Broker
) -> None:
    async with Relay(url) as relay, connected(url) as other, serving(other, find, concurrency=WORKS_ON):
        await relay.open()
        async with connected(relay.url) as lost, serving(lost, find, concurrency=WORKS_ON):
            await until_answered(caller, FOUND)
            relay.hold()
            watch, replies = Stopwatch(), list[Reply]()
            while await asyncio.to_thread(lambda: broker.consumers) == 2:
                assert watch.seconds() < GIVEN_UP_WITHIN_S
                replies += await asyncio.gather(*(caller.call(PROVIDER, lookup(within_s=2.0)) for _ in range(10)))
            assert all(reply in (FOUND, LATE) for reply in replies)
            assert 0 < replies.count(LATE) <= WORKS_ON
            after = await asyncio.gather(*(caller.call(PROVIDER, lookup()) for _ in range(20)))
            assert after == [FOUND] * 20
            relay.flow()

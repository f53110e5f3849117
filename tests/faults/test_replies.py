"""Tests of faults F12 to F15 of docs/faults.md: replies without a waiting caller, memory left behind by calls, and one
reply queue per process."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from prometheus_client import REGISTRY

from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_proto.messages import Failed, NotFound, Reply, Request, encode
from bouquet_proto.names import REPLY_EXCHANGE
from tests.support.broker import Broker
from tests.support.bus import (
    FOUND,
    PROVIDER,
    BlockedHandler,
    connected_bus,
    declare_provider_queue,
    lookup_request,
    reply_found,
    serving,
    until_reply,
)
from tests.support.waiting import until

pytestmark = pytest.mark.broker

NOT_DEPLOYED = Failed("not_deployed")


def late_replies() -> float:
    return REGISTRY.get_sample_value("bouquet_bus_late_replies_total") or 0.0


# F12: replies that are late, repeated, or without caller


async def test_f12_a_reply_without_waiting_caller_is_counted_and_ignored(
    caller: AmqpBus, operator: AbstractChannel, broker: Broker
) -> None:
    async with serving(caller, reply_found):
        await until_reply(caller, FOUND)
        late, exchange = late_replies(), await operator.get_exchange(REPLY_EXCHANGE)
        [reply_to] = await broker.reply_queues()
        for correlation_id in ("unknown", None):
            stray = aio_pika.Message(encode(FOUND), correlation_id=correlation_id)
            await exchange.publish(stray, reply_to)
        await until(lambda: late_replies() == late + 2)
        assert await caller.call(PROVIDER, lookup_request()) == FOUND


async def test_f12_a_reply_to_a_gone_caller_is_counted(caller: AmqpBus) -> None:
    blocked, late = BlockedHandler(), late_replies()
    async with serving(caller, blocked):
        call = asyncio.create_task(caller.call(PROVIDER, lookup_request()))
        await blocked.until_called()
        call.cancel()
        blocked.release.set()
        await until(lambda: late_replies() == late + 1)


async def test_f12_of_two_replies_to_one_call_the_first_counts(caller: AmqpBus, operator: AbstractChannel) -> None:
    queue, late = await declare_provider_queue(operator), late_replies()
    exchange = await operator.declare_exchange(REPLY_EXCHANGE, "direct", durable=True)

    async def reply_twice(message: AbstractIncomingMessage) -> None:
        for reply in (FOUND, NotFound("unknown_person")):
            said = aio_pika.Message(encode(reply), correlation_id=message.correlation_id)
            await exchange.publish(said, message.reply_to or "")
        await message.ack()

    tag = await queue.consume(reply_twice)
    assert await asyncio.gather(*(caller.call(PROVIDER, lookup_request()) for _ in range(10))) == [FOUND] * 10
    await until(lambda: late_replies() == late + 10)
    await queue.cancel(tag)


# F13: calls leave no state behind


async def test_f13_five_hundred_calls_leave_no_state_behind(caller: AmqpBus, broker: Broker) -> None:
    async with serving(caller, reply_found, concurrency=20):
        await until_reply(caller, FOUND)
        queues, tasks = await broker.rows("queues", "name", "messages"), len(asyncio.all_tasks())
        replies = await asyncio.gather(*(caller.call(PROVIDER, lookup_request()) for _ in range(500)))
        assert replies == [FOUND] * 500
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        assert await broker.rows("queues", "name", "messages") == queues
    assert calls_pending() == 0


async def test_f13_failed_calls_and_lost_connections_leave_no_state_behind(caller: AmqpBus, broker: Broker) -> None:
    async def slowly(request: Request) -> Reply:
        if request.id == "slow":
            await asyncio.Event().wait()
        return FOUND

    async with serving(caller, slowly, concurrency=20):
        await until_reply(caller, FOUND)
        count, tasks = Counter(await broker.kinds_of_queues()), len(asyncio.all_tasks())
        for _ in range(3):
            late = [caller.call(PROVIDER, lookup_request("slow", within_s=0.2)) for _ in range(20)]
            lost = [caller.call("nobody", lookup_request()) for _ in range(20)]
            left = [asyncio.create_task(caller.call(PROVIDER, lookup_request())) for _ in range(20)]
            await asyncio.sleep(0)
            for call in left:
                call.cancel()
            assert await asyncio.gather(*late, *lost) == [Failed("deadline_exceeded")] * 20 + [NOT_DEPLOYED] * 20
            cut = [asyncio.create_task(caller.call(PROVIDER, lookup_request("slow", within_s=60))) for _ in range(20)]
            await asyncio.sleep(0)
            await broker.close_all_connections()
            assert await asyncio.gather(*cut) == [Failed("bus_unavailable")] * 20
            await until_reply(caller, FOUND)
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        assert Counter(await broker.kinds_of_queues()) == count
    assert calls_pending() == 0


async def test_f13_a_closed_bus_leaves_no_queue(url: str, broker: Broker) -> None:
    async with connected_bus(url) as bus, serving(bus, reply_found):
        await until_reply(bus, FOUND)
    await broker.until(partial(broker.rows, "queues", "name"), lambda queues: not queues)


def calls_pending() -> float | None:
    return REGISTRY.get_sample_value("bouquet_bus_calls_pending")


# F14: one consumer for the life of a process


async def test_f14_every_reply_arrives_at_one_consumer(caller: AmqpBus, broker: Broker) -> None:
    async with serving(caller, reply_found):
        await until_reply(caller, FOUND)
        [before] = await broker.reply_consumers()
        for _ in range(50):
            assert await caller.call(PROVIDER, lookup_request()) == FOUND
        assert await broker.reply_consumers() == [before]


# F15: the reply queue is a declared queue, not direct reply-to


async def test_f15_a_reply_may_come_over_any_connection_and_after_a_reconnection_as_well(
    caller: AmqpBus, operator: AbstractChannel, url: str, broker: Broker
) -> None:
    addresses: list[str] = []

    async def answer_from_elsewhere(message: AbstractIncomingMessage) -> None:
        addresses.append(message.reply_to or "")
        async with await aio_pika.connect(url) as elsewhere, elsewhere.channel() as channel:
            exchange = await channel.get_exchange(REPLY_EXCHANGE)
            said = aio_pika.Message(encode(FOUND), correlation_id=message.correlation_id)
            await exchange.publish(said, message.reply_to or "")
        await message.ack()

    queue = await declare_provider_queue(operator)
    await queue.consume(answer_from_elsewhere)
    assert await caller.call(PROVIDER, lookup_request()) == FOUND
    [before] = addresses
    assert await broker.reply_queues() == {before}
    await broker.delete(before)
    await until_reply(caller, FOUND)
    assert await broker.reply_queues() == {addresses[-1]} != {before}
    assert not [address for address in addresses if address.startswith("amq.")]

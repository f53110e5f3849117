"""Tests of faults F18 to F21 of docs/faults.md: messages that kill their worker or cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from yarl import URL

from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_mesh.bus.api import Handler, RequestConsumer
from bouquet_proto.messages import MAX_REQUEST_BYTES, Failed, Reply, decode_reply
from bouquet_proto.names import REPLY_EXCHANGE, queue_of
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
)
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until
from tests.support.worker_process import worker_process

pytestmark = pytest.mark.broker

QUEUE = queue_of(PROVIDER)


@pytest.fixture
async def kept(operator: AbstractChannel) -> AsyncIterator[None]:
    """Keeps the provider's queue from being deleted while no worker consumes from it: a second consumer takes one
    message and never acknowledges it."""
    # Without it, the broker would delete the queue whenever no worker consumes from it.
    await operator.set_qos(prefetch_count=1)
    queue = await declare_provider_queue(operator)
    full = asyncio.Event()

    async def hold(_: object) -> None:
        full.set()

    await queue.consume(hold)
    await operator.default_exchange.publish(aio_pika.Message(b"a handful"), QUEUE)
    await full.wait()
    yield
    await queue.delete(if_unused=False, if_empty=False)


@asynccontextmanager
async def serving_through(relay: TcpProxy, handler: Handler) -> AsyncIterator[RequestConsumer]:
    await relay.open()
    async with connected_bus(relay.url) as worker, serving(worker, handler) as consumer:
        yield consumer


def calling(caller: AmqpBus, id: str, *, within_s: float = TEST_TIMEOUT_S) -> asyncio.Task[Reply]:
    return asyncio.create_task(caller.call(PROVIDER, lookup_request(id, within_s=within_s)))


@pytest.mark.usefixtures("kept")
async def test_f18_a_message_that_kills_its_worker_kills_two_at_most(
    url: str, caller: AmqpBus, operator: AbstractChannel
) -> None:
    blocked = BlockedHandler()
    blocked.release.set()
    async with worker_process(url) as first, worker_process(url) as second:
        poison = calling(caller, "poison")
        for victim in (first, second):
            victim.send_line("serve")
            assert "working on poison" in await victim.remaining_lines()
        async with serving(caller, blocked, concurrency=1):
            # A redelivered message would arrive before the one sent now.
            assert await caller.call(PROVIDER, lookup_request("next")) == FOUND
            assert blocked.received == ["next"]
            queue = await operator.declare_queue(QUEUE, passive=True)
            assert queue.declaration_result.message_count == 0
        poison.cancel()


@pytest.mark.usefixtures("kept")
async def test_f19_requests_prefetched_with_a_poison_message_are_answered(url: str, caller: AmqpBus) -> None:
    async with worker_process(url) as first, worker_process(url) as second:
        await first.serve()
        neighbours = []
        for id in ("n0", "n1", "poison", "n2", "n3"):
            neighbours.append(calling(caller, id))
            await first.expect_line(f"working on {id}")
        poison = neighbours.pop(2)
        first.send_line("die")
        assert await first.remaining_lines() == []
        second.send_line("serve")
        words = await second.remaining_lines()
        assert [word for word in words if word != "consuming"] == [f"working on {id}" for id in ("n0", "n1", "poison")]
        async with serving(caller, reply_found):
            assert await asyncio.gather(*neighbours) == [FOUND] * 4
        poison.cancel()


async def test_f20_queues_are_declared_without_a_delivery_limit(url: str, caller: AmqpBus, rabbit: RabbitNode) -> None:
    """Tests that a provider's queue is declared with neither a delivery limit nor a dead-letter exchange."""
    # RabbitMQ would refuse a later release of Bouquet that declares the queue with another limit.
    async with serving(caller, reply_found):
        told = await rabbit.control("list_queues", "--vhost", URL(url).path[1:], "name", "arguments")
        [arguments] = [line.split("\t")[1] for line in told.splitlines() if line.startswith(f"{QUEUE}\t")]
        assert "limit" not in arguments and "dead-letter" not in arguments


@pytest.mark.usefixtures("kept")
async def test_f20_an_unstable_worker_does_not_requeue_a_message_for_ever(
    url: str, caller: AmqpBus, operator: AbstractChannel, broker: Broker
) -> None:
    blocked = BlockedHandler()

    async def in_hand(count: int) -> None:
        look = partial(broker.rows, "queues", "name", "messages_ready", "messages_unacknowledged")
        await broker.until(look, lambda queues: [QUEUE, "0", str(count)] in queues)

    async with TcpProxy(url) as relay, serving_through(relay, blocked) as consumer:
        call = calling(caller, "round", within_s=300)
        for seen, unacknowledged in ((["round"], 2), (["round", "round"], 1)):  # the worker takes one message at a time
            await until(partial(blocked.received.__eq__, seen))
            await in_hand(unacknowledged)
            await relay.close()
            await until(partial(blocked.cancelled.__eq__, seen))
            await relay.open()
        await until(lambda: consumer.consuming)
        await in_hand(1)
        assert blocked.received == ["round"] * 2
        call.cancel()


UNREADABLE = {
    "nothing": b"",
    "half a request": b'{"type":"lookup","id":"1',
    "no text": b"\xff\xfe",
    "an unknown kind": b'{"type":"perhaps","id":"1","deadline":1.0}',
    "a version that lost a field": b'{"type":"lookup","id":"1"}',
    "depths": b"[" * 200_000,
    "too much": b'{"type":"describe","deadline":1e10,"id":"' + b"x" * MAX_REQUEST_BYTES + b'"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
async def test_f21_an_unreadable_request_is_answered_with_an_error_and_removed(
    caller: AmqpBus, operator: AbstractChannel, body: bytes
) -> None:
    replies = await operator.declare_queue(exclusive=True)
    await replies.bind(await operator.declare_exchange(REPLY_EXCHANGE, "direct", durable=True))
    async with serving(caller, reply_found, concurrency=1), replies.iterator(no_ack=True) as told:
        message = aio_pika.Message(body, correlation_id="stranger", reply_to=replies.name)
        await operator.default_exchange.publish(message, QUEUE)
        async with asyncio.timeout(TEST_TIMEOUT_S):
            reply = await anext(told)
        assert (reply.correlation_id, decode_reply(reply.body)) == ("stranger", Failed("malformed_request"))
        assert await caller.call(PROVIDER, lookup_request()) == FOUND
        queue = await operator.declare_queue(QUEUE, passive=True)
        assert queue.declaration_result.message_count == 0

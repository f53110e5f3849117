"""Tests of faults F22 to F24 of docs/faults.md: messages delivered but not yet acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_proto.messages import Failed, Reply, Request
from bouquet_proto.names import queue_of
from tests.support.broker import Broker
from tests.support.bus import (
    FOUND,
    PROVIDER,
    BlockedHandler,
    connected_bus,
    lookup_request,
    reply_found,
    serving,
    until_reply,
)
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

QUEUE = queue_of(PROVIDER)
UNACKNOWLEDGED = ("name", "messages_unacknowledged")


async def test_f22_a_worker_cut_off_stops_its_work_and_another_does_it(url: str, caller: AmqpBus) -> None:
    blocked = BlockedHandler()
    async with TcpProxy(url) as relay:
        await relay.open()
        async with connected_bus(relay.url) as cut_off, serving(cut_off, blocked):
            call = asyncio.create_task(caller.call(PROVIDER, lookup_request("begun")))
            await blocked.until_called()
            async with serving(caller, reply_found):
                await relay.close()
                assert await call == FOUND
            await until(lambda: blocked.cancelled == ["begun"])


async def test_f22_work_that_ends_after_its_connection_sends_no_acknowledgement(
    url: str, caller: AmqpBus, caplog: pytest.LogCaptureFixture
) -> None:
    done = asyncio.Event()

    async def stubborn(_: Request) -> Reply:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            done.set()
        return FOUND

    async with TcpProxy(url) as relay:
        await relay.open()
        async with connected_bus(relay.url) as worker, serving(worker, stubborn) as consumer:
            call = asyncio.create_task(caller.call(PROVIDER, lookup_request("begun")))
            await asyncio.sleep(0)
            async with serving(caller, reply_found):
                await relay.close()
                assert await call == FOUND
                await relay.open()
                await until(lambda: consumer.consuming)
    assert "bug" not in caplog.text


async def test_f22_a_redelivered_message_is_handled_alone(url: str, caller: AmqpBus) -> None:
    blocked, running, most = BlockedHandler(), 0, 0

    async def counting(_: Request) -> Reply:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return FOUND

    async with TcpProxy(url) as relay:
        await relay.open()
        async with connected_bus(relay.url) as cut_off, serving(cut_off, blocked, concurrency=8):
            calls = [asyncio.create_task(caller.call(PROVIDER, lookup_request())) for _ in range(8)]
            await until(lambda: len(blocked.received) == 8)
            async with serving(caller, counting, concurrency=8):
                await relay.close()
                assert await asyncio.gather(*calls) == [FOUND] * 8
    assert most == 1


async def test_f23_requests_of_a_stopping_worker_go_to_another_and_its_neighbour_s_stay(
    url: str, caller: AmqpBus
) -> None:
    leaving, staying = BlockedHandler(), BlockedHandler()
    async with connected_bus(url) as worker, serving(worker, staying, provider="other"):
        other = asyncio.create_task(caller.call("other", lookup_request("kept")))
        await staying.until_called()
        async with serving(worker, leaving, concurrency=4, drain_s=0.05):
            calls = [asyncio.create_task(caller.call(PROVIDER, lookup_request(f"{n}"))) for n in range(4)]
            await until(lambda: len(leaving.received) == 4)
            heir = await caller_serving(caller)
        assert await asyncio.gather(*calls) == [FOUND] * 4
        assert sorted(leaving.cancelled) == [f"{n}" for n in range(4)]
        staying.release.set()
        assert await other == FOUND
        assert (staying.received, staying.cancelled) == (["kept"], [])
        heir.cancel()
        await asyncio.wait([heir])


async def caller_serving(bus: AmqpBus) -> asyncio.Task[None]:
    ready = asyncio.Event()

    async def work() -> None:
        async with serving(bus, reply_found):
            ready.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await ready.wait()
    return working


@contextmanager
def impatient_broker(rabbit: RabbitNode) -> Iterator[None]:
    """Makes the broker close a channel, if it was opened in this context, on which a message stays unacknowledged for a
    second or two. The usual limit is half an hour."""

    def give(timeout_ms: int, tick_ms: int) -> None:
        for name, value in (("consumer_timeout", timeout_ms), ("channel_tick_interval", tick_ms)):
            rabbit.evaluate(f"application:set_env(rabbit, {name}, {value}), [].")

    give(1_000, 300)
    try:
        yield
    finally:
        give(1_800_000, 60_000)


async def test_f24_no_worker_exceeds_the_broker_s_consumer_timeout(url: str, broker: Broker) -> None:
    """Tests that Bouquet's worker acknowledges a message at its deadline although its handler hangs, so that the
    broker's consumer timeout finds none."""
    blocked, within_s = BlockedHandler(), 0.5
    async with connected_bus(url) as bus, serving(bus, blocked) as consumer:
        while not blocked.received:  # the broker drops a request that it could not deliver by the deadline
            assert await bus.call(PROVIDER, lookup_request(within_s=within_s)) == Failed("deadline_exceeded")
            within_s *= 2
        await broker.until(lambda: unacknowledged(broker), lambda count: count == 0)
        assert consumer.consuming
        blocked.release.set()
        await until_reply(bus, FOUND)


async def unacknowledged(broker: Broker) -> int:
    """Returns how many messages of the provider's queue are delivered and not acknowledged."""
    [count] = [int(count) for name, count in await broker.rows("queues", *UNACKNOWLEDGED) if name == QUEUE]
    return count


async def test_f24_the_broker_closes_the_channel_of_a_consumer_that_never_acknowledges(
    url: str, rabbit: RabbitNode
) -> None:
    with impatient_broker(rabbit):
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            closed = asyncio.Event()
            channel.close_callbacks.add(lambda *_: closed.set())
            await consumes_and_never_acknowledges(channel)
            async with asyncio.timeout(TEST_TIMEOUT_S):
                await closed.wait()


async def consumes_and_never_acknowledges(channel: AbstractChannel) -> None:
    async def hold(_: object) -> None: ...

    queue = await channel.declare_queue(exclusive=True)
    await queue.consume(hold)
    await channel.default_exchange.publish(aio_pika.Message(b""), queue.name)

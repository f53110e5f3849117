"""Tests of faults F9 to F11 of docs/faults.md: a request is delivered, its caller gets an error at once, or it expires
at its deadline."""

from __future__ import annotations

import asyncio

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from bouquet_mesh.bus import amqp
from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Failed, decode_reply, encode
from bouquet_proto.names import QUEUE_ARGUMENTS, queue_of
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
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

AWAY = Failed("bus_unavailable")
NOT_DEPLOYED = Failed("not_deployed")


# F9: no worker handles a request whose caller is gone


async def test_f09_a_request_is_not_persistent_and_expires_with_its_deadline(
    caller: AmqpBus, operator: AbstractChannel
) -> None:
    queue = await declare_provider_queue(operator)
    async with queue.iterator(no_ack=True) as messages:
        call = asyncio.create_task(caller.call(PROVIDER, lookup_request()))
        async with asyncio.timeout(TEST_TIMEOUT_S):
            message = await anext(messages)
        call.cancel()
    assert message.delivery_mode == aio_pika.DeliveryMode.NOT_PERSISTENT
    assert message.expiration
    assert 0 < float(str(message.expiration)) <= TEST_TIMEOUT_S


async def test_f09_a_request_without_worker_is_gone_after_its_deadline(
    caller: AmqpBus, operator: AbstractChannel
) -> None:
    queue = await declare_provider_queue(operator)
    try:
        assert await caller.call(PROVIDER, lookup_request(within_s=0.2)) == Failed("deadline_exceeded")
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while (await queue.declare()).message_count:  # noqa: ASYNC110 - the broker tells nobody of expiry
                await asyncio.sleep(0.01)
    finally:
        await queue.delete(if_unused=False, if_empty=False)


async def test_f09_a_worker_does_not_begin_an_expired_request(caller: AmqpBus, operator: AbstractChannel) -> None:
    blocked = BlockedHandler()
    blocked.release.set()
    async with serving(caller, blocked):
        await until_reply(caller, FOUND)
        late = aio_pika.Message(encode(lookup_request("late", within_s=-0.1)))
        await operator.default_exchange.publish(late, queue_of(PROVIDER))
        assert await caller.call(PROVIDER, lookup_request("in time")) == FOUND
    assert [asked for asked in blocked.received if asked != "probe"] == ["in time"]


# F10: a missing worker is noticed at once


async def test_f10_a_call_to_a_provider_without_worker_fails_at_once(caller: AmqpBus) -> None:
    assert await caller.call("nobody", lookup_request(within_s=3600)) == NOT_DEPLOYED


async def test_f10_a_call_fails_at_once_after_the_last_worker_has_stopped(url: str, caller: AmqpBus) -> None:
    async with connected_bus(url) as worker, serving(worker, reply_found):
        assert await caller.call(PROVIDER, lookup_request()) == FOUND
    assert await caller.call(PROVIDER, lookup_request(within_s=3600)) == NOT_DEPLOYED


async def test_f10_a_call_fails_soon_after_the_last_worker_was_lost_in_a_broker_crash(
    rabbit: RabbitNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(QUEUE_ARGUMENTS, "x-expires", 2000)
    url = rabbit.vhost()
    async with connected_bus(url) as caller:
        async with connected_bus(url) as worker, serving(worker, reply_found):
            await until_reply(caller, FOUND)
            await asyncio.to_thread(rabbit.settle)
            rabbit.kill()
        await asyncio.to_thread(rabbit.start)
        await until(lambda: caller.ready)
        await until_reply(caller, NOT_DEPLOYED)


# F11: a publish without confirmation has a timeout of its own


async def test_f11_a_call_to_a_hanging_broker_fails_long_before_the_deadline(
    url: str, rabbit: RabbitNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected_bus(url) as bus, serving(bus, reply_found):
        await until_reply(bus, FOUND)
        rabbit.pause()
        try:
            with monkeypatch.context() as impatient:
                impatient.setattr(amqp, "PUBLISH_TIMEOUT_S", 0.3)
                assert await bus.call(PROVIDER, lookup_request()) == AWAY
        finally:
            rabbit.resume()
        await until_reply(bus, FOUND)


async def test_f11_a_first_call_to_a_hanging_broker_ends_by_its_deadline(caller: AmqpBus, rabbit: RabbitNode) -> None:
    rabbit.pause()
    try:
        assert await caller.call(PROVIDER, lookup_request(within_s=0.3)) == Failed("deadline_exceeded")
    finally:
        rabbit.resume()


@pytest.mark.parametrize("body", [b"", b"x" * 1_000_000], ids=["empty", "large"])
async def test_f11_a_body_of_any_size_is_confirmed_or_returned(caller: AmqpBus, body: bytes) -> None:
    async with serving(caller, reply_found):
        assert await caller._send_and_wait("nobody", body, deadline()) == NOT_DEPLOYED
        reply = await caller._send_and_wait(PROVIDER, body, deadline())
    assert isinstance(reply, bytes)
    assert decode_reply(reply) == Failed("malformed_request")


async def test_f11_returned_and_confirmed_messages_each_end_their_own_call(caller: AmqpBus) -> None:
    async with serving(caller, reply_found, concurrency=50):
        providers = [PROVIDER, "nobody"] * 100
        replies = await asyncio.gather(*(caller.call(provider, lookup_request()) for provider in providers))
    assert replies == [FOUND, NOT_DEPLOYED] * 100


def deadline() -> Deadline:
    return Deadline(lookup_request().deadline)

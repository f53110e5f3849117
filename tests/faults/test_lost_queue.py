"""Tests of a request queue that the broker makes unavailable, as when its node is down. Meanwhile, workers and gateways
use the provider's reserve queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.bus import amqp, consumer, queues
from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_proto.names import queue_of, reserve_queue_of
from tests.support.broker import Broker
from tests.support.broker_users import restricted_vhost
from tests.support.bus import (
    FOUND,
    PROVIDER,
    BlockedHandler,
    connected_bus,
    lookup_request,
    noted_refusals,
    reply_found,
    serving,
    until_reply,
)
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

USUAL, RESERVE = queue_of(PROVIDER), reserve_queue_of(PROVIDER)


@pytest.fixture(autouse=True)
def returning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes workers try every 0.1 s to return to the usual queue, and gateways publish refused requests again for up to
    20 s. No queue is deleted during a test."""
    monkeypatch.setattr(consumer, "FIRST_RETURN_S", 0.1)
    monkeypatch.setattr(consumer, "RETURN_EVERY_S", 0.1)
    monkeypatch.setattr(consumer, "DELETE_AFTER_S", 600.0)
    monkeypatch.setattr(amqp, "REPUBLISH_WITHIN_S", 20.0)


@pytest.fixture(autouse=True)
async def given_back(broker: Broker) -> AsyncIterator[None]:
    """Restores the queues that a test has made unavailable, once the test has ended."""
    yield
    for queue in (USUAL, RESERVE):
        await broker.give_back(queue)


async def until_consumed(broker: Broker, queue: str) -> None:
    """Waits until `queue` is the only one of the provider's two queues that has a consumer."""

    async def consumed() -> set[str]:
        return {name for [name] in await broker.rows("consumers", "queue_name") if name.startswith(USUAL)}

    await broker.until(consumed, lambda found: found == {queue})


async def test_calls_are_answered_by_the_reserve_queue_while_the_usual_one_is_lost(
    url: str, caller: AmqpBus, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected_bus(url) as worker, serving(worker, reply_found):
        await until_reply(caller, FOUND)
        await broker.lose_queues()
        await until_reply(caller, FOUND)
        await until_consumed(broker, RESERVE)
        assert await caller.call(PROVIDER, lookup_request()) == FOUND
    [lost] = [record for record in caplog.records if record.message == "queue unavailable"]
    assert (vars(lost)["queue"], vars(lost)["reserve"]) == (USUAL, RESERVE)


async def test_workers_return_to_the_usual_queue_and_finish_what_the_reserve_queue_gave_them(
    url: str, caller: AmqpBus, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    handler = BlockedHandler()
    async with connected_bus(url) as worker, serving(worker, handler):
        await broker.lose_queues()
        await until_consumed(broker, RESERVE)
        running = asyncio.create_task(caller.call(PROVIDER, lookup_request()))
        await handler.until_called()
        await broker.give_back(USUAL)
        await until_consumed(broker, USUAL)
        handler.release.set()
        assert await running == FOUND
        assert handler.cancelled == []
        assert await caller.call(PROVIDER, lookup_request()) == FOUND
    assert "queue available again" in caplog.messages


async def test_a_gateway_that_starts_later_finds_the_reserve_queue(url: str, broker: Broker) -> None:
    async with connected_bus(url) as worker, serving(worker, reply_found):
        await broker.lose_queues()
        await until_consumed(broker, RESERVE)
        async with connected_bus(url) as later:
            assert await later.call(PROVIDER, lookup_request()) == FOUND


async def test_a_loss_of_the_reserve_queue_leads_back_to_the_usual_one(
    url: str, caller: AmqpBus, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "FIRST_RETURN_S", 600.0)
    async with connected_bus(url) as worker, serving(worker, reply_found):
        await broker.lose_queues()
        await until_consumed(broker, RESERVE)
        assert await caller.call(PROVIDER, lookup_request()) == FOUND
        await broker.give_back(USUAL)
        await broker.lose_queues()
        await until_consumed(broker, USUAL)
        await until_reply(caller, FOUND)


async def test_workers_delete_a_lost_reserve_queue_while_the_usual_one_is_lost_too(
    url: str, caller: AmqpBus, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected_bus(url) as worker, serving(worker, reply_found):
        await broker.lose_queues()
        await until_consumed(broker, RESERVE)
        await broker.lose_queues()
        await until_reply(caller, FOUND)
        await until_consumed(broker, RESERVE)
    assert RESERVE in {vars(record)["queue"] for record in caplog.records if record.message == "lost queue deleted"}


async def test_a_worker_returns_soon_to_a_queue_whose_declaration_was_only_slow(
    url: str, caller: AmqpBus, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "RETURN_EVERY_S", 600.0)
    declare, in_time = queues.try_to_declare, iter([False])

    async def declare_too_late(connection: Connection, queue: str) -> bool:
        return await declare(connection, queue) and next(in_time, True)

    monkeypatch.setattr(queues, "try_to_declare", declare_too_late)
    async with connected_bus(url) as worker, serving(worker, reply_found):
        assert await caller.call(PROVIDER, lookup_request()) == FOUND
        await until_consumed(broker, USUAL)


async def test_workers_delete_a_queue_that_stays_lost_and_return_to_it(
    rabbit: RabbitNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(consumer, "DELETE_AFTER_S", 0.2)
    vhost = restricted_vhost(rabbit, tmp_path, PROVIDER)
    broker = Broker(rabbit, vhost.operator)
    async with AsyncExitStack() as stack:
        caller = await stack.enter_async_context(connected_bus(vhost.url("gateway")))
        for _ in range(4):
            worker = await stack.enter_async_context(connected_bus(vhost.url(PROVIDER)))
            await stack.enter_async_context(serving(worker, reply_found))
        await broker.lose_queues()
        await broker.until(broker.consumers, lambda count: count == 4)
        await until_consumed(broker, USUAL)
        await until_reply(caller, FOUND)
    assert "queue unavailable" in caplog.messages
    assert "lost queue deleted" in caplog.messages


async def test_a_queue_that_is_slow_to_declare_is_not_deleted_while_it_has_a_consumer(
    url: str, caller: AmqpBus, broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(consumer, "REGISTER_EVERY_S", TEST_TIMEOUT_S)  # else a worker has two consumers for a moment
    async with connected_bus(url) as first, serving(first, reply_found):
        monkeypatch.setattr(queues, "DECLARE_TIMEOUT_S", 0.0)
        monkeypatch.setattr(queues, "DELETE_TIMEOUT_S", TEST_TIMEOUT_S)
        monkeypatch.setattr(consumer, "DELETE_AFTER_S", 0.0)
        async with connected_bus(url) as second, serving(second, reply_found):
            await until(lambda: caplog.messages.count("lost queue not deleted") > 1)
            assert await broker.consumers() == 1
            assert await caller.call(PROVIDER, lookup_request()) == FOUND
    kept = {vars(record)["error"] for record in caplog.records if record.message == "lost queue not deleted"}
    assert kept == {"ChannelPreconditionFailed"}


async def test_a_call_waits_for_a_worker_that_has_just_answered(
    url: str, caller: AmqpBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANSWERED_WITHIN_S", "REPUBLISH_WITHIN_S"):
        monkeypatch.setattr(amqp, name, TEST_TIMEOUT_S)
    refusals = noted_refusals(monkeypatch)
    async with connected_bus(url) as worker, serving(worker, reply_found):
        await until_reply(caller, FOUND)
    waiting = asyncio.create_task(caller.call(PROVIDER, lookup_request()))
    await until(lambda: 2 in refusals or waiting.done())
    assert not waiting.done()
    async with connected_bus(url) as worker, serving(worker, reply_found):
        assert await waiting == FOUND


async def test_the_rights_of_a_provider_suffice_for_its_reserve_queue(rabbit: RabbitNode, tmp_path: Path) -> None:
    vhost = restricted_vhost(rabbit, tmp_path, PROVIDER)
    broker = Broker(rabbit, vhost.operator)
    async with (
        connected_bus(vhost.url("gateway")) as caller,
        connected_bus(vhost.url(PROVIDER)) as worker,
        serving(worker, reply_found),
    ):
        await broker.lose_queues()
        await until_consumed(broker, RESERVE)
        assert await caller.call(PROVIDER, lookup_request()) == FOUND
        await broker.give_back(USUAL)
        await until_consumed(broker, USUAL)
        await until_reply(caller, FOUND)

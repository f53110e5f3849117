"""Tests of a queue that may hold one request. A refused request is published again, and the caller finally gets
`provider_busy`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import Struct

from bouquet_mesh.bus import amqp, consumer
from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_mesh.bus.consumer import PREFETCH_PER_HANDLER
from bouquet_proto.messages import Failed, Reply
from bouquet_proto.names import queue_of
from tests.support.broker import Broker
from tests.support.broker_users import restricted_vhost
from tests.support.bus import (
    FOUND,
    PROVIDER,
    BlockedHandler,
    connected_bus,
    lookup_request,
    noted_refusals,
    serving,
)
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

CONCURRENCY = 2
HELD = PREFETCH_PER_HANDLER * CONCURRENCY + 1
"""Largest number of calls that can wait for a reply at the same time: those whose requests the worker has taken, and
the one whose request is in its queue."""


class BlockedWorker(Struct, frozen=True):
    """A worker whose handler blocks, and a caller."""

    handler: BlockedHandler
    caller: AmqpBus
    broker: Broker

    def call(self, *numbers: int) -> list[asyncio.Task[Reply]]:
        """Starts a call for each number, with the number as its id."""
        requests = [lookup_request(f"{number}") for number in numbers]
        return [asyncio.create_task(self.caller.call(PROVIDER, request)) for request in requests]

    async def until_full(self) -> None:
        """Waits until the worker has taken as many requests as it may, and the queue holds one."""

        async def counts() -> list[list[str]]:
            rows = await self.broker.rows("queues", "name", "messages_unacknowledged", "messages_ready")
            return [row for row in rows if row[0] == queue_of(PROVIDER)]

        await self.broker.until(counts, lambda rows: rows == [[queue_of(PROVIDER), f"{HELD - 1}", "1"]])


@pytest.fixture(autouse=True)
def registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes workers stay registered with the broker. A new registration would take further requests."""
    monkeypatch.setattr(consumer, "REGISTER_EVERY_S", TEST_TIMEOUT_S)


@asynccontextmanager
async def blocked_worker(rabbit: RabbitNode, folder: Path) -> AsyncIterator[BlockedWorker]:
    vhost, handler = restricted_vhost(rabbit, folder, PROVIDER), BlockedHandler()
    async with (
        connected_bus(vhost.url("gateway")) as caller,
        connected_bus(vhost.url(PROVIDER)) as worker,
        serving(worker, handler, concurrency=CONCURRENCY),
    ):
        yield BlockedWorker(handler, caller, Broker(rabbit, vhost.operator))


async def test_a_request_that_a_full_queue_refuses_is_answered_once_there_is_room(
    rabbit: RabbitNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "REPUBLISH_WITHIN_S", TEST_TIMEOUT_S)
    refusals = noted_refusals(monkeypatch)
    async with blocked_worker(rabbit, tmp_path) as worker:
        handler, calls = worker.handler, worker.call(*range(3 * HELD))
        await worker.until_full()
        await until(lambda: refusals.count(1) >= 2 * HELD or any(call.done() for call in calls))
        assert not any(call.done() for call in calls)
        assert len(handler.received) == CONCURRENCY  # no more at a time, whatever the worker holds
        handler.release.set()
        assert await asyncio.gather(*calls) == [FOUND] * len(calls)
        assert sorted(handler.received) == sorted(f"{n}" for n in range(3 * HELD))  # each once


async def test_a_request_that_a_full_queue_goes_on_refusing_ends_as_a_busy_provider(
    rabbit: RabbitNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "REPUBLISH_WITHIN_S", TEST_TIMEOUT_S)
    async with blocked_worker(rabbit, tmp_path) as worker:
        held = worker.call(*range(HELD))
        await worker.until_full()
        monkeypatch.setattr(amqp, "REPUBLISH_WITHIN_S", 1.0)
        refused = worker.call(*range(HELD, 3 * HELD))
        assert await asyncio.gather(*refused) == [Failed("provider_busy")] * (2 * HELD)
        worker.handler.release.set()
        assert await asyncio.gather(*held) == [FOUND] * HELD

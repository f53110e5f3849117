"""Tests of a queue that may hold one request. A refused request is published again, and the caller finally gets
`provider_busy`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bouquet_mesh.bus import amqp
from bouquet_mesh.bus.consumer import PREFETCH_PER_HANDLER
from bouquet_proto.messages import Failed, Reply
from tests.support.broker_users import restricted_vhost
from tests.support.bus import FOUND, PROVIDER, BlockedHandler, connected_bus, lookup_request, serving
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

CONCURRENCY = 2
HELD = PREFETCH_PER_HANDLER * CONCURRENCY + 1
"""Largest number of calls that can wait for a reply at the same time: those whose requests the worker has taken, and
the one whose request is in its queue."""


@asynccontextmanager
async def full_queue(
    rabbit: RabbitNode, folder: Path
) -> AsyncIterator[tuple[BlockedHandler, list[asyncio.Task[Reply]]]]:
    """Starts a worker whose handler blocks, and more calls than the worker and its queue can hold. Yields the handler,
    and the tasks of the calls."""
    vhost, handler = restricted_vhost(rabbit, folder, PROVIDER), BlockedHandler()
    async with (
        connected_bus(vhost.url("gateway")) as caller,
        connected_bus(vhost.url(PROVIDER)) as worker,
        serving(worker, handler, concurrency=CONCURRENCY),
    ):
        yield handler, [asyncio.create_task(caller.call(PROVIDER, lookup_request(f"{n}"))) for n in range(3 * HELD)]


async def test_a_request_that_a_full_queue_refuses_is_answered_once_there_is_room(
    rabbit: RabbitNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "REPUBLISH_WITHIN_S", TEST_TIMEOUT_S)
    async with full_queue(rabbit, tmp_path) as (handler, calls):
        await until(lambda: len(handler.received) == CONCURRENCY)
        await asyncio.sleep(0.5)
        assert not any(call.done() for call in calls)
        assert len(handler.received) == CONCURRENCY  # no more at a time, whatever the worker holds
        handler.release.set()
        assert await asyncio.gather(*calls) == [FOUND] * len(calls)
        assert sorted(handler.received) == sorted(f"{n}" for n in range(3 * HELD))  # each once


async def test_a_request_that_a_full_queue_goes_on_refusing_ends_as_a_busy_provider(
    rabbit: RabbitNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "REPUBLISH_WITHIN_S", 1.0)
    async with full_queue(rabbit, tmp_path) as (handler, calls):
        await until(lambda: sum(call.done() for call in calls) == 2 * HELD)
        handler.release.set()
        ends = await asyncio.gather(*calls)
    assert ends.count(Failed("provider_busy")) == 2 * HELD
    assert ends.count(FOUND) == HELD

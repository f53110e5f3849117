"""Tests of fault F7 of docs/faults.md: a stopping worker takes no more requests, and finishes those it has begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_mesh.bus.api import Handler, RequestConsumer
from tests.support.bus import FOUND, PROVIDER, BlockedHandler, connected_bus, lookup_request, serving
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker


@asynccontextmanager
async def at_work(
    url: str, handler: Handler, *, drain_s: float
) -> AsyncIterator[tuple[asyncio.Task[None], RequestConsumer]]:
    """Runs a worker on a connection of its own. Yields the worker's task, which tests cancel to stop the worker,
    and the worker's `RequestConsumer`."""
    serves: asyncio.Future[RequestConsumer] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with connected_bus(url) as bus, serving(bus, handler, drain_s=drain_s) as consumer:
            serves.set_result(consumer)
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    yield working, await serves
    working.cancel()
    await asyncio.wait([working])


async def test_f07_a_stopping_worker_answers_begun_requests_and_takes_no_new_ones(url: str, caller: AmqpBus) -> None:
    blocked, other = BlockedHandler(), BlockedHandler()
    other.release.set()
    async with at_work(url, blocked, drain_s=TEST_TIMEOUT_S) as (worker, consumer):
        begun = [asyncio.create_task(caller.call(PROVIDER, lookup_request(f"begun {n}"))) for n in range(4)]
        await until(lambda: len(blocked.received) == 4)
        async with serving(caller, other):
            worker.cancel()
            await until(lambda: not consumer.consuming)
            new = [caller.call(PROVIDER, lookup_request(f"new {n}")) for n in range(20)]
            assert await asyncio.gather(*new) == [FOUND] * 20
            assert not worker.done()
            blocked.release.set()
            assert await asyncio.gather(*begun) == [FOUND] * 4
            await asyncio.wait([worker])
            # Messages requeued from a closed connection are delivered before this one.
            assert await caller.call(PROVIDER, lookup_request("last")) == FOUND
    assert sorted(blocked.received) == [f"begun {n}" for n in range(4)]
    assert sorted(other.received) == sorted(["last", *(f"new {n}" for n in range(20))])


async def test_f07_a_request_that_a_stopping_worker_cannot_finish_goes_to_another_worker(
    url: str, caller: AmqpBus
) -> None:
    blocked, other = BlockedHandler(), BlockedHandler()
    other.release.set()
    async with at_work(url, blocked, drain_s=0.1) as (worker, _):
        call = asyncio.create_task(caller.call(PROVIDER, lookup_request("begun")))
        await blocked.until_called()
        async with serving(caller, other):
            worker.cancel()
            assert await call == FOUND
    assert (blocked.cancelled, other.received) == (["begun"], ["begun"])

"""Tests of a worker whose clock differs from the sender's. A request carries its deadline as a time of the sender's
clock."""

from __future__ import annotations

import asyncio

import pytest

from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_proto.messages import Failed
from tests.support.bus import FOUND, PROVIDER, lookup_request
from tests.support.worker_process import worker_process

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("ahead_s", [30.0, -30.0, 4000.0])
async def test_a_worker_with_a_wrong_clock_answers_from_the_first_request_on(
    url: str, caller: AmqpBus, ahead_s: float
) -> None:
    async with worker_process(url, clock_ahead_s=ahead_s) as worker:
        await worker.serve(hold=False)
        told = [await caller.call(PROVIDER, lookup_request(f"{n}")) for n in range(20)]
        assert told == [FOUND] * 20


@pytest.mark.parametrize("ahead_s", [30.0, -30.0])
async def test_a_worker_with_a_wrong_clock_does_not_handle_expired_requests(
    url: str, caller: AmqpBus, ahead_s: float
) -> None:
    async with worker_process(url, clock_ahead_s=ahead_s) as worker:
        await worker.serve()
        first_line, within_s = asyncio.create_task(worker.next_line()), 1.0
        while not first_line.done():  # the broker drops a request that it could not deliver by the deadline
            request = lookup_request(f"held {within_s}", within_s=within_s)
            assert await caller.call(PROVIDER, request) == Failed("deadline_exceeded")
            within_s *= 2
        held = (await first_line).removeprefix("working on ")
        while (line := await worker.next_line()) != f"gave up {held}":
            assert line.startswith("working on held")

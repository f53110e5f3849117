"""Tests of a worker whose clock differs from the sender's. A request carries its deadline as a time of the sender's
clock."""

from __future__ import annotations

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
        assert await caller.call(PROVIDER, lookup_request("held", within_s=3.0)) == Failed("deadline_exceeded")
        await worker.expect_line("working on held")
        await worker.expect_line("gave up held")

"""Clocks that differ: deadlines travel as wall-clock seconds, and no worker trusts its own clock alone."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_proto.messages import Failed
from tests.mesh.buses import FOUND, PROVIDER, lookup, until_answered
from tests.support.worker import worker_process

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("ahead_s", [30.0, -30.0, 4000.0])
async def test_a_worker_whose_clock_is_wrong_answers(url: str, caller: AmqpBus, ahead_s: float) -> None:
    """Behind, at once. Ahead, when everything has come expired for two seconds."""
    async with worker_process(url, clock_ahead_s=ahead_s) as worker:
        await worker.serve(hold=False)
        if ahead_s > 0:
            assert await caller.call(PROVIDER, lookup("first")) == Failed("deadline_exceeded")
        await until_answered(caller, FOUND)
        told = Counter([(await caller.call(PROVIDER, lookup(f"{n}"))).__class__.__name__ for n in range(20)])
        assert told == {"Found": 20}


async def test_a_worker_whose_clock_is_behind_does_not_work_for_those_who_have_gone(url: str, caller: AmqpBus) -> None:
    async with worker_process(url, clock_ahead_s=-30.0) as worker:
        await worker.serve()
        assert await caller.call(PROVIDER, lookup("held", within_s=0.5)) == Failed("deadline_exceeded")
        await worker.says("working on held")
        async with asyncio.timeout(5):
            await worker.says("gave up held")

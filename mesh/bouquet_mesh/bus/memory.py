"""The embedded bus: both ends in one process, over the same bytes, limits and deadlines as a broker.

A transport, not a mock: nothing is shared between the ends, so what does not survive the wire fails on a laptop too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from functools import partial

from bouquet_mesh.bus.api import Ending, Handler, answer, ask, end, finish
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Failed, Reply, Request

SYSTEM = "memory"


class _Intake:
    """One consumer: its handler, its limit and the tasks that it owns."""

    def __init__(self, provider: str, handler: Handler, concurrency: int) -> None:
        self.consuming = True
        self._provider = provider
        self._handler = handler
        self._free = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[bytes]] = set()

    def accept(self, body: bytes, given_s: float) -> asyncio.Task[bytes]:
        # An empty context: the caller's trace and request id travel in the message, or not at all.
        task = asyncio.create_task(self._work(body, time.time(), given_s), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _work(self, body: bytes, arrived_at: float, given_s: float) -> bytes:
        async with self._free:
            return await answer(self._handler, SYSTEM, self._provider, body, arrived_at, given_s)

    async def drain(self, drain_s: float) -> None:
        self.consuming = False
        await finish(self._tasks, drain_s)


class MemoryBus:
    """Several consumers of one provider share its requests in turn, as they would a queue."""

    ready = True

    def __init__(self) -> None:
        self._intakes: dict[str, list[_Intake]] = {}

    async def call(self, provider: str, request: Request) -> Reply:
        return await ask(self._exchange, SYSTEM, provider, request)

    async def _exchange(self, provider: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        intakes = self._intakes.get(provider)
        if not intakes:
            return Failed("not_deployed")
        intakes.append(intakes.pop(0))
        left_s, loop = deadline.left_s(), asyncio.get_running_loop()
        reply: Ending = loop.create_future()
        late = loop.call_later(left_s, end, reply, Failed("deadline_exceeded"))
        # A caller that stops waiting leaves the work to its worker, as it would behind a broker.
        intakes[-1].accept(body, left_s).add_done_callback(partial(_bring, reply))
        try:
            return await reply
        finally:
            late.cancel()

    @asynccontextmanager
    async def serve(
        self, provider: str, handler: Handler, *, concurrency: int, drain_s: float = 10.0
    ) -> AsyncIterator[_Intake]:
        intake = _Intake(provider, handler, concurrency)
        self._intakes.setdefault(provider, []).append(intake)
        try:
            yield intake
        finally:
            self._intakes[provider].remove(intake)
            await intake.drain(drain_s)


def _bring(reply: Ending, work: asyncio.Task[bytes]) -> None:
    end(reply, Failed("bus_unavailable") if work.cancelled() else work.result())

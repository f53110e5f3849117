"""The bus within one process, without a broker: it connects a gateway with workers that run in the gateway's process.
Messages are passed as bytes, not objects, with the same limits and deadlines as over RabbitMQ."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from functools import partial

from bouquet_mesh.bus.api import Handler, PendingReply, answer, ask, resolve
from bouquet_mesh.tasks import finish_or_cancel
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Failed, Reply, Request

SYSTEM = "memory"


class _Consumer:
    """Consumer of one provider's requests. Handles at most `concurrency` requests at a time."""

    def __init__(self, provider: str, handler: Handler, concurrency: int) -> None:
        self.consuming = True
        self._provider = provider
        self._handler = handler
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[bytes]] = set()

    def accept(self, body: bytes, left_at_send_s: float) -> asyncio.Task[bytes]:
        # An empty context: as behind a broker, the caller's trace and request id travel in the message alone.
        task = asyncio.create_task(self._work(body, time.time(), left_at_send_s), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _work(self, body: bytes, arrived_at: float, left_at_send_s: float) -> bytes:
        async with self._slots:
            return await answer(self._handler, SYSTEM, self._provider, body, arrived_at, left_at_send_s)

    async def drain(self, drain_s: float) -> None:
        self.consuming = False
        await finish_or_cancel(self._tasks, drain_s)


class MemoryBus:
    """Bus within one process. If a provider has several consumers, they take turns."""

    ready = True

    def __init__(self) -> None:
        self._consumers: dict[str, list[_Consumer]] = {}

    async def call(self, provider: str, request: Request) -> Reply:
        """Sends a request to a provider and returns its reply; see `BusClient.call`."""
        return await ask(self._send_and_wait, SYSTEM, provider, request)

    async def _send_and_wait(self, provider: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        consumers = self._consumers.get(provider)
        if not consumers:
            return Failed("not_deployed")
        consumers.append(consumers.pop(0))
        left_s, loop = deadline.left_s(), asyncio.get_running_loop()
        reply: PendingReply = loop.create_future()
        late = loop.call_later(left_s, resolve, reply, Failed("deadline_exceeded"))
        # A caller that stops waiting does not cancel the handler, as behind a broker.
        consumers[-1].accept(body, left_s).add_done_callback(partial(_set_reply, reply))
        try:
            return await reply
        finally:
            late.cancel()

    @asynccontextmanager
    async def serve(
        self, provider: str, handler: Handler, *, concurrency: int, drain_s: float = 10.0
    ) -> AsyncIterator[_Consumer]:
        """Answers a provider's requests while the context is open; see `Bus.serve`."""
        consumer = _Consumer(provider, handler, concurrency)
        self._consumers.setdefault(provider, []).append(consumer)
        try:
            yield consumer
        finally:
            self._consumers[provider].remove(consumer)
            await consumer.drain(drain_s)


def _set_reply(reply: PendingReply, work: asyncio.Task[bytes]) -> None:
    resolve(reply, Failed("bus_unavailable") if work.cancelled() else work.result())

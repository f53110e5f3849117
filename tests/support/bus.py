"""Requests, handlers and workers for tests of the bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue
from msgspec import Raw

from bouquet_mesh.backoff import pause_s
from bouquet_mesh.bus import amqp
from bouquet_mesh.bus.amqp import AmqpBus, open_amqp_bus
from bouquet_mesh.bus.api import Bus, Handler, RequestConsumer
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Found, Lookup, Reply, Request
from bouquet_proto.names import QUEUE_ARGUMENTS, queue_of
from tests.support.waiting import TEST_TIMEOUT_S, until

PROVIDER = "cnaf"
FOUND = Found(Raw(b'{"valeur":1234}'))


def noted_refusals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Returns a list that grows each time a call of this process pauses because no queue accepts its request. Each item
    is the number of refusals that the call has met before, such as 1 at the second refusal."""
    noted = list[int]()

    def noting_pause_s(refusals: int, first_s: float, last_s: float) -> float:
        noted.append(refusals)
        return pause_s(refusals, first_s, last_s)

    monkeypatch.setattr(amqp, "pause_s", noting_pause_s)
    return noted


def lookup_request(id: str = "5f1c", *, within_s: float = TEST_TIMEOUT_S) -> Lookup:
    return Lookup(id=id, deadline=time.time() + within_s, operation="op", identity=Identite(nom_naissance="DURANT"))


@asynccontextmanager
async def connected_bus(url: str, name: str = "tests") -> AsyncIterator[AmqpBus]:
    async with open_amqp_bus(url, name) as bus:
        await until(lambda: bus.ready)
        yield bus


async def until_reply(bus: Bus, reply: Reply) -> None:
    """Calls `PROVIDER` again and again until it replies `reply`. Each call may take longer than the one before, up to
    five seconds."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        patience_s = 0.3
        while await bus.call(PROVIDER, lookup_request("probe", within_s=patience_s)) != reply:
            patience_s = min(2 * patience_s, 5.0)
            await asyncio.sleep(0.02)


async def declare_provider_queue(channel: AbstractChannel, provider: str = PROVIDER) -> AbstractQueue:
    return await channel.declare_queue(queue_of(provider), durable=True, auto_delete=True, arguments=QUEUE_ARGUMENTS)


@asynccontextmanager
async def serving(
    bus: Bus, handler: Handler, *, provider: str = PROVIDER, concurrency: int = 8, drain_s: float = 5.0
) -> AsyncIterator[RequestConsumer]:
    """Runs a worker with this handler while the context is open. Entering the context waits until the worker takes
    requests."""
    async with bus.serve(provider, handler, concurrency=concurrency, drain_s=drain_s) as consumer:
        await until(lambda: consumer.consuming)
        yield consumer


async def reply_found(_: Request) -> Reply:
    return FOUND


class BlockedHandler:
    """A handler that replies `FOUND` to a request only once a test sets `release`. It lists the ids of the requests
    that it has received, and of those that were cancelled while they waited."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.cancelled: list[str] = []
        self.release = asyncio.Event()
        self._called = asyncio.Event()

    async def __call__(self, request: Request) -> Reply:
        self.received.append(request.id)
        self._called.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.append(request.id)
            raise
        return FOUND

    async def until_called(self) -> None:
        async with asyncio.timeout(TEST_TIMEOUT_S):
            await self._called.wait()

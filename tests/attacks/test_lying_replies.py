"""Attack: a provider's worker publishes forged replies on the broker. No caller of another provider gets one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage
from msgspec import Raw
from prometheus_client import REGISTRY

from bouquet_mesh.bus.api import Bus
from bouquet_mesh.bus.open import open_bus
from bouquet_proto.messages import MAX_BYTES, Failed, Found, encode
from bouquet_proto.names import REPLY_EXCHANGE, queue_of
from tests.support.broker_users import RestrictedVhost, restricted_vhost
from tests.support.bus import FOUND, BlockedHandler, lookup_request, reply_found, serving
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import until

pytestmark = pytest.mark.broker

LIE = encode(Found(Raw(b'{"valeur":"a lie"}')))


@pytest.fixture(scope="module")
def guarded(rabbit: RabbitNode, tmp_path_factory: pytest.TempPathFactory) -> RestrictedVhost:
    return restricted_vhost(rabbit, tmp_path_factory.mktemp("passwords"), "acme", "cnaf")


@pytest.fixture
async def gateway(guarded: RestrictedVhost) -> AsyncIterator[Bus]:
    async with open_bus(guarded.url("gateway"), "gateway") as bus:
        await until(lambda: bus.ready)
        yield bus


class ForgingWorker:
    """Worker that can forge replies to the requests it receives."""

    def __init__(self, replies: AbstractExchange) -> None:
        self.received: list[AbstractIncomingMessage] = []
        self._replies = replies

    async def receive(self, message: AbstractIncomingMessage) -> None:
        await message.ack()
        self.received.append(message)

    async def reply(self, body: bytes, correlation_id: str | None, to: str | None = None) -> None:
        key = to or self.received[-1].reply_to or ""
        await self._replies.publish(aio_pika.Message(body, correlation_id=correlation_id), key)


@asynccontextmanager
async def forging_worker(guarded: RestrictedVhost) -> AsyncIterator[ForgingWorker]:
    async with await aio_pika.connect(guarded.url("acme")) as connection:
        channel = await connection.channel()
        worker = ForgingWorker(await channel.get_exchange(REPLY_EXCHANGE, ensure=False))
        queue = await channel.declare_queue(queue_of("acme"), durable=True, auto_delete=True)
        await queue.consume(worker.receive)
        yield worker


def late_replies() -> float:
    return REGISTRY.get_sample_value("bouquet_bus_late_replies_total") or 0.0


async def test_no_forged_reply_ends_the_call_of_another_provider(guarded: RestrictedVhost, gateway: Bus) -> None:
    blocked, late = BlockedHandler(), late_replies()
    async with (
        open_bus(guarded.url("cnaf"), "cnaf") as honest,
        serving(honest, blocked, provider="cnaf"),
        forging_worker(guarded) as worker,
    ):
        own = asyncio.create_task(gateway.call("acme", lookup_request("own")))
        other = asyncio.create_task(gateway.call("cnaf", lookup_request("other")))
        await until(lambda: bool(worker.received))
        await blocked.until_called()
        forged = [None, "", "other", "cnaf", "*", "\N{SNOWMAN}", *(secrets.token_hex(16) for _ in range(100))]
        for correlation_id in forged:
            await worker.reply(LIE, correlation_id)
        await until(lambda: late_replies() == late + len(forged))
        assert not other.done()
        blocked.release.set()
        assert await other == FOUND
        await worker.reply(LIE, worker.received[0].correlation_id)
        assert await own != FOUND


async def test_a_second_reply_to_a_call_is_ignored(guarded: RestrictedVhost, gateway: Bus) -> None:
    async with forging_worker(guarded) as worker:
        call = asyncio.create_task(gateway.call("acme", lookup_request()))
        await until(lambda: bool(worker.received))
        late = late_replies()
        for _ in range(3):
            await worker.reply(encode(FOUND), worker.received[0].correlation_id)
        assert await call == FOUND
        await until(lambda: late_replies() == late + 2)


async def test_an_oversized_reply_is_a_typed_failure(guarded: RestrictedVhost, gateway: Bus) -> None:
    async with forging_worker(guarded) as worker:
        call = asyncio.create_task(gateway.call("acme", lookup_request()))
        await until(lambda: bool(worker.received))
        huge = encode(Found(Raw(b'{"valeur":"' + b"x" * MAX_BYTES + b'"}')))
        await worker.reply(huge, worker.received[0].correlation_id)
        assert await call == Failed("malformed_reply")


async def test_a_flood_of_replies_leaves_the_others_their_answers(guarded: RestrictedVhost, gateway: Bus) -> None:
    async with (
        open_bus(guarded.url("cnaf"), "cnaf") as honest,
        serving(honest, reply_found, provider="cnaf"),
        forging_worker(guarded) as worker,
    ):
        asyncio.create_task(gateway.call("acme", lookup_request()))
        await until(lambda: bool(worker.received))

        async def flood() -> None:
            while True:
                await worker.reply(LIE, secrets.token_hex(16))

        flooding = [asyncio.create_task(flood()) for _ in range(20)]
        try:
            told = [await gateway.call("cnaf", lookup_request()) for _ in range(50)]
        finally:
            for task in flooding:
                task.cancel()
            await asyncio.gather(*flooding, return_exceptions=True)
        assert told == [FOUND] * 50


async def test_a_reply_key_cannot_be_guessed(guarded: RestrictedVhost, gateway: Bus) -> None:
    async with forging_worker(guarded) as worker:
        first = asyncio.create_task(gateway.call("acme", lookup_request()))
        await until(lambda: len(worker.received) == 1)
        async with open_bus(guarded.url("gateway"), "another gateway") as another:
            await until(lambda: another.ready)
            second = asyncio.create_task(another.call("acme", lookup_request()))
            await until(lambda: len(worker.received) == 2)
            keys = {message.reply_to or "" for message in worker.received}
            assert len(keys) == 2
            assert all(len(key.removeprefix(f"{REPLY_EXCHANGE}.")) >= 16 for key in keys)
            second.cancel()
        first.cancel()

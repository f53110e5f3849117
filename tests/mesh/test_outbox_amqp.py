"""Tests that the outbox on RabbitMQ loses no record, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from struct import pack

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from pamqp.common import FieldTable
from yarl import URL

from bouquet_mesh.amqp import link
from bouquet_mesh.amqp.frames import ACK, METHOD, NACK, read_method
from bouquet_mesh.amqp.wire import Wire
from bouquet_mesh.outbox import amqp
from bouquet_mesh.outbox.api import NotSent, Outbox
from bouquet_mesh.outbox.open import open_outbox
from bouquet_proto.names import JOURNAL_QUEUE
from tests.support.outbox_collector import collecting
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("fast_reconnection")]


@pytest.fixture
async def outbox(broker_url: str) -> AsyncIterator[Outbox]:
    async with ready(broker_url) as outbox:
        yield outbox


@pytest.fixture
async def operator(broker_url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(broker_url) as connection, connection.channel() as channel:
        yield channel


@asynccontextmanager
async def ready(url: str) -> AsyncIterator[Outbox]:
    """Yields an outbox that can send, because a collector has already declared its queue."""
    async with open_outbox(url, "tests") as outbox:
        async with outbox.collect():
            pass
        yield outbox


async def persist(outbox: Outbox, bodies: list[bytes]) -> int:
    refused = 0
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            try:
                await outbox.send(bodies)
            except NotSent:
                refused += 1
                await asyncio.sleep(0.02)
            else:
                return refused


async def test_no_confirmed_record_is_lost_when_the_broker_is_killed_under_load(
    broker_url: str, rabbit: RabbitNode
) -> None:
    groups = [[b"%d.%d" % (group, n) for n in range(50)] for group in range(40)]
    async with ready(broker_url) as sender, open_outbox(broker_url, "collector") as collector:
        await persist(sender, [b"first"])
        await asyncio.to_thread(rabbit.settle)
        async with collecting(collector) as archive:

            async def send() -> int:
                return sum([await persist(sender, group) for group in groups])

            sending = asyncio.create_task(send())
            await until(lambda: len(archive.bodies) > 100)
            rabbit.kill()
            await asyncio.to_thread(rabbit.start)
            assert await sending
            await archive.until_collected({b"first", *(body for group in groups for body in group)})


async def test_confirmed_records_survive_a_killed_broker(broker_url: str, rabbit: RabbitNode) -> None:
    bodies = [b"%d" % n for n in range(200)]
    async with ready(broker_url) as outbox:
        await asyncio.to_thread(rabbit.settle)
        await outbox.send(bodies)
        rabbit.kill()
        await asyncio.to_thread(rabbit.start)
        async with collecting(outbox) as archive:
            await archive.until_collected(bodies)


async def test_records_cannot_be_sent_without_a_broker_and_can_once_it_returns(broker_url: str) -> None:
    async with TcpProxy(broker_url) as relay, open_outbox(relay.url, "tests") as outbox, collecting(outbox) as archive:
        with pytest.raises(NotSent):
            await outbox.send([b"a"])
        await relay.open()
        await persist(outbox, [b"a"])
        await archive.until_collected([b"a"])


async def test_a_lost_connection_fails_a_send_before_its_timeout(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "SEND_TIMEOUT_S", TEST_TIMEOUT_S)
    async with TcpProxy(broker_url) as relay:
        await relay.open()
        async with ready(relay.url) as outbox:
            await persist(outbox, [b"a"])
            sending = asyncio.create_task(outbox.send([b"%d" % n * 100_000 for n in range(100)]))
            await asyncio.sleep(0)
            await relay.close()
            with pytest.raises(NotSent) as told:
                await sending
            assert str(told.value) != "TimeoutError"


async def test_a_send_to_a_hanging_broker_fails_in_time(
    outbox: Outbox, rabbit: RabbitNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    await persist(outbox, [b"a"])
    rabbit.pause()
    try:
        with monkeypatch.context() as impatient, pytest.raises(NotSent, match="TimeoutError"):
            impatient.setattr(amqp, "SEND_TIMEOUT_S", 0.3)
            await outbox.send([b"b"])
    finally:
        rabbit.resume()
    await persist(outbox, [b"b"])


async def test_records_sent_before_the_first_collector_are_refused_and_not_lost(broker_url: str) -> None:
    async with open_outbox(broker_url, "tests") as outbox:
        with pytest.raises(NotSent, match="MessageReturned"):
            await outbox.send([b"early"])
        async with collecting(outbox) as archive:
            await persist(outbox, [b"early"])
            await archive.until_collected([b"early"])


async def test_a_sender_needs_no_right_to_declare_or_delete(broker_url: str, rabbit: RabbitNode) -> None:
    user = URL(broker_url).path.strip("/")
    await rabbit.control("add_user", user, "secret")
    await rabbit.control("set_permissions", "--vhost", user, user, "^$", r"^amq\.default$", "^$")
    async with ready(broker_url) as theirs, collecting(theirs) as archive:
        async with open_outbox(str(URL(broker_url).with_user(user).with_password("secret")), "tests") as outbox:
            await outbox.send([b"a"])
        await archive.until_collected([b"a"])


async def test_a_send_to_a_deleted_queue_fails(outbox: Outbox, operator: AbstractChannel) -> None:
    await persist(outbox, [b"a"])
    await operator.queue_delete(JOURNAL_QUEUE)
    with pytest.raises(NotSent):
        await outbox.send([b"b"])
    async with collecting(outbox) as archive:
        await persist(outbox, [b"b"])
        await archive.until_collected([b"b"])


async def test_a_collector_recovers_from_the_deletion_of_its_queue(outbox: Outbox, operator: AbstractChannel) -> None:
    async with collecting(outbox) as archive:
        await persist(outbox, [b"a"])
        await archive.until_collected([b"a"])
        await operator.queue_delete(JOURNAL_QUEUE)
        await persist(outbox, [b"b"])
        await archive.until_collected([b"b"])


async def test_a_new_channel_is_used_after_a_nack(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that the outbox uses a new channel after the broker has refused (nack) every record on the first one, as
    RabbitMQ may while a quorum queue changes its leader."""
    nacked: set[Wire] = set()
    takes = Wire.takes

    def nack(self: Wire, kind: int, data: bytes, start: int, end: int) -> bool:
        if kind == METHOD and read_method(data, start) == ACK and (not nacked or self in nacked):
            nacked.add(self)
            data, start = pack(">I", NACK) + data[start + 4 : end], 0
        return takes(self, kind, data, start, end)

    monkeypatch.setattr(Wire, "takes", nack)
    async with ready(broker_url) as outbox, collecting(outbox) as archive:
        assert await persist(outbox, [b"a", b"b"]) >= 1
        await archive.until_collected([b"a", b"b"])
    assert len(nacked) == 1


async def test_a_batch_from_a_lost_connection_can_be_done_and_is_redelivered(broker_url: str) -> None:
    async with TcpProxy(broker_url) as relay:
        await relay.open()
        async with open_outbox(relay.url, "tests") as outbox, outbox.collect(max_wait_s=0.02) as batches:
            await persist(outbox, [b"a"])
            batch = await anext(batches)
            await relay.close()
            await batch.done()
            await relay.open()
            again = await anext(batches)
            assert again.bodies == (b"a",)
            await again.done()


async def test_records_of_a_done_batch_are_gone_from_the_broker(outbox: Outbox, operator: AbstractChannel) -> None:
    async with collecting(outbox, most=7) as archive:
        await outbox.send([b"%d" % n for n in range(100)])
        await until(lambda: len(archive.bodies) == 100)
    queue = await operator.declare_queue(JOURNAL_QUEUE, passive=True)
    assert queue.declaration_result.message_count == 0


async def test_the_journals_queue_is_a_quorum_queue_with_persistent_messages(
    outbox: Outbox, operator: AbstractChannel
) -> None:
    await outbox.send([b"a"])
    arguments: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": amqp.UNLIMITED_DELIVERIES}
    queue = await operator.declare_queue(JOURNAL_QUEUE, durable=True, arguments=arguments)
    message = await queue.get()
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    await message.ack()


async def test_a_record_that_is_redelivered_many_times_is_not_dropped(outbox: Outbox) -> None:
    """Tests that a record is not lost when it is redelivered 25 times. By default, RabbitMQ 4 drops a message of a
    quorum queue at its 21st delivery."""
    await outbox.send([b"stubborn"])
    for _ in range(25):
        async with outbox.collect(max_wait_s=0.01) as batches:
            assert (await anext(batches)).bodies == (b"stubborn",)


async def test_an_outbox_that_waits_to_reconnect_stops_at_once(
    broker_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for pause in ("FIRST_RETRY_S", "LAST_RETRY_S"):
        monkeypatch.setattr(link, pause, 3600.0)
    async with (
        asyncio.timeout(TEST_TIMEOUT_S),
        TcpProxy(broker_url) as relay,
        open_outbox(relay.url, "tests") as outbox,
        outbox.collect(),
    ):
        await until(lambda: "broker unavailable" in caplog.messages)

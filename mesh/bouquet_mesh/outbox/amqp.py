"""The outbox on RabbitMQ: the queue by which gateways send journal records to the registry. The queue is durable, and
the broker confirms each message."""
# A quorum queue of persistent messages.
# It uses a connection that the bus does not share, since a broker short of memory or disk blocks connections that
# publish.

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any

import msgspec

from bouquet_mesh.amqp.channel import Channel, OnLost
from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.amqp.errors import CONNECTION_LOST, MessageReturned, bounded_close, cancellation_as_loss
from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.amqp.link import Drain, Link, open_link
from bouquet_mesh.amqp.wire import Delivery
from bouquet_mesh.observe import metrics
from bouquet_mesh.outbox.api import MAX_BATCH_RECORDS, Batch, NotSent, gather_batch
from bouquet_mesh.outbox.packages import pack, unpack
from bouquet_proto.names import GATEWAY_OWNER, JOURNAL_OWNER, JOURNAL_QUEUE

SEND_TIMEOUT_S = 10.0
BATCH_WAIT_S = 1.0
"""Longest time, in seconds, to wait for further records after the first record of a batch."""
# In larger batches, each record costs less.
# The broker keeps the records meanwhile.
UNLIMITED_DELIVERIES = 1_000_000_000
"""Limit on how often the broker delivers a message again, so high that no message reaches it."""
# RabbitMQ 4 would otherwise drop a message after 20 redeliveries.
# RabbitMQ 3.10 has no value for "no limit".
JOURNAL_QUEUE_ARGUMENTS: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": UNLIMITED_DELIVERIES}
PREFETCHED_BATCHES = 2
"""Number of batches whose records RabbitMQ may deliver before the first of these batches is acknowledged."""
# The prefetch count, in messages, is this number times the largest number of records in a batch. More records than that
# may arrive, since one message may hold several.
PERSISTENT = Properties(content_type="application/msgpack", is_persistent=True)


class _Publisher:
    """Sending side of the outbox, the queue of journal records."""

    owner = GATEWAY_OWNER

    # This side declares no queue, since a user with the right to declare one can also delete it (deploy/rabbitmq).

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._on_lost: OnLost | None = None
        self._unconfirmed: set[asyncio.Future[None]] = set()

    @property
    def ready(self) -> bool:
        return self._channel is not None

    async def start(self, connection: Connection, on_lost: OnLost) -> Drain:
        self._channel, self._on_lost = await connection.channel(on_lost, confirms=True), on_lost
        return self._all_confirmed

    async def _all_confirmed(self) -> None:
        """Waits until the broker has confirmed or refused every message sent so far."""
        if unconfirmed := tuple(self._unconfirmed):
            await asyncio.wait(unconfirmed)

    async def probe(self) -> None:
        """Checks that the broker responds: waits until the broker has processed everything sent on the channel."""
        if self._channel is not None:
            await self._channel.round_trip()

    def stop(self) -> None:
        self._channel = self._on_lost = None

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Sends records, and returns once the broker has confirmed all of them. Otherwise raises one of the errors in
        `CONNECTION_LOST`: for example, `MessageReturned` if the queue does not exist."""
        # Reconnects after a nack too: while a quorum queue changes its leader, an old channel may be nacked for
        # minutes, and a new one works.
        channel, report_loss = self._channel, self._on_lost
        if channel is None or report_loss is None:
            raise ConnectionError
        sending = [channel.confirmed(package, PERSISTENT, queue=JOURNAL_QUEUE) for package in pack(bodies)]
        self._unconfirmed.update(sending)
        try:
            await asyncio.gather(*sending)
        except MessageReturned:  # the connection works, but there is no queue
            raise
        except CONNECTION_LOST as error:
            report_loss(error)
            raise
        except asyncio.CancelledError:
            report_loss(ConnectionResetError())
            raise
        finally:
            for confirmed in sending:
                confirmed.cancel()
            self._unconfirmed.difference_update(sending)


class _Record(msgspec.Struct, frozen=True):
    body: bytes
    channel: Channel
    tag: int | None
    """Delivery tag of the message, if this record was the last in the message; otherwise None."""


class _Collector:
    """Receiving side of the outbox, the queue of journal records. Keeps received records until they are in a batch."""

    owner = JOURNAL_OWNER

    def __init__(self, max_records: int, max_wait_s: float) -> None:
        self._max_records = max_records
        self._max_wait_s = max_wait_s
        self._channel: Channel | None = None
        self._waiting: asyncio.Queue[_Record] = asyncio.Queue()

    async def start(self, connection: Connection, on_lost: OnLost) -> None:
        channel = await connection.channel(on_lost)
        await channel.prefetch(PREFETCHED_BATCHES * self._max_records)
        await channel.declare_queue(JOURNAL_QUEUE, durable=True, arguments=JOURNAL_QUEUE_ARGUMENTS)
        await channel.consume(JOURNAL_QUEUE, partial(self._on_message, channel))
        self._channel = channel
        # No drain, so its connection is not replaced by age: batches would span two channels, and the broker delivers
        # the journal's queue from its leader anyway.

    async def probe(self) -> None:
        """Checks that the broker responds: waits until the broker has processed everything sent on the channel."""
        if self._channel is not None:
            await self._channel.round_trip()

    def stop(self) -> None:
        """Discards the received records that are in no batch yet, since the connection is lost. The broker delivers
        them again."""
        self._channel = None
        while not self._waiting.empty():
            self._waiting.get_nowait()

    def _on_message(self, channel: Channel, message: Delivery) -> None:
        *others, last = unpack(message.body)
        for body in others:
            self._waiting.put_nowait(_Record(body, channel, None))
        self._waiting.put_nowait(_Record(last, channel, message.tag))

    async def batches(self) -> AsyncGenerator[Batch]:
        """Yields batches of records without end. A batch is yielded again until its `done` has been called."""
        while True:
            records: list[_Record] = []
            await gather_batch(records, self._waiting, self._max_records, self._max_wait_s)
            batch = Batch(tuple(record.body for record in records), partial(_acknowledge, records))
            while not batch.is_done:
                yield batch

    async def close(self) -> None:
        """Closes the channel. The broker then delivers unacknowledged records again."""
        if self._channel is not None:
            async with bounded_close():
                await self._channel.close()


async def _acknowledge(records: Sequence[_Record]) -> None:
    """Acknowledges the messages whose last record is in `records`, the records of one batch."""
    # Correct because batches are formed, and done, in the order of delivery. A batch that spans a reconnection is
    # acknowledged on the later channel.
    for record in reversed(records):
        if record.tag is not None:
            with suppress(*CONNECTION_LOST):
                record.channel.ack(record.tag, multiple=True)
            return


class AmqpOutbox:
    """Outbox (queue of journal records) over a connection to RabbitMQ."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._publisher: _Publisher | None = None

    @property
    def connected(self) -> bool:
        return self._link.responsive

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Sends records and returns once the broker has stored them; see `Outbox.send`."""
        if self._publisher is None:  # not earlier: a collector needs no right to send
            self._publisher = _Publisher()
            self._link.attach(self._publisher)
        try:
            with cancellation_as_loss():
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    if not self._publisher.ready:
                        await self._link.settled.wait()
                    await self._publisher.send(bodies)
        except CONNECTION_LOST as error:
            raise NotSent(type(error).__name__) from None

    @asynccontextmanager
    async def collect(
        self, *, max_records: int = MAX_BATCH_RECORDS, max_wait_s: float = BATCH_WAIT_S
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        """Yields an endless iterator over batches of records; see `Outbox.collect`."""
        collector = _Collector(max_records, max_wait_s)
        try:
            async with self._link.holding(collector), aclosing(collector.batches()) as batches:
                yield batches
        finally:
            await collector.close()


@asynccontextmanager
async def open_amqp_outbox(url: str, name: str, *, max_age_s: float = math.inf) -> AsyncIterator[AmqpOutbox]:
    """Opens an outbox on the broker at `url`, which connects in the background. The broker's operators see the
    connection as `name`. With several nodes in `url`, a connection that only sends moves to a random node after at most
    `max_age_s` seconds."""
    async with open_link(url, name, metrics.OUTBOX_CONNECTED, max_age_s=max_age_s) as link:
        yield AmqpOutbox(link)

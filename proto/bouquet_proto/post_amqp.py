"""The post on RabbitMQ: a durable quorum queue, persistent messages, and a confirm for each of them.

On a connection of its own: a broker that is short of memory or disk makes publishers wait, and calls should not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import cast

from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import PublishError
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic
from pamqp.common import FieldTable

from bouquet_proto import metrics
from bouquet_proto.amqp_link import CLOSE_TIMEOUT_S, LOST, Link, Lose, cancelled_by_us_alone
from bouquet_proto.names import JOURNAL_QUEUE
from bouquet_proto.post import MOST, WAIT_S, Batch, NotPosted, gather

POST_TIMEOUT_S = 10.0
ENDLESS = 1_000_000_000
"""RabbitMQ 4 drops what came back 20 times, unless told otherwise; 3.10 knows no word for "never"."""
ARGUMENTS: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": ENDLESS}
AHEAD = 2
"""Batches that the broker delivers before the first one is done, so that the next one is there by then."""


class _Outbox:
    """The posting side: a channel in confirm mode. It declares nothing: who may declare a queue may delete it, and
    senders need not (deploy/rabbitmq). Until a collector has, what is sent is returned.
    """

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._lose: Lose | None = None

    @property
    def ready(self) -> bool:
        return self._channel is not None

    async def up(self, connection: AbstractConnection, lose: Lose) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(lose)
        self._channel, self._lose = cast(Channel, await channel.get_underlay_channel()), lose

    async def probe(self) -> None:
        """Asks for what it has already."""
        if self._channel is not None:
            await self._channel.confirm_delivery()

    def down(self) -> None:
        self._channel = self._lose = None

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Raises whatever a broken connection raises, and makes it anew: a channel that was nacked once may be for
        minutes, while a fresh one works (seen as a quorum queue changes its leader)."""
        if self._channel is None or self._lose is None:
            raise ConnectionError
        lose, sending = self._lose, [asyncio.create_task(_publish(self._channel, body)) for body in bodies]
        try:
            await asyncio.gather(*sending)
        except PublishError:  # returned: nothing is broken, there is no queue
            raise
        except (*LOST, asyncio.CancelledError) as error:
            lose(self, error)
            raise
        finally:
            for task in sending:
                task.cancel()


async def _publish(channel: Channel, body: bytes) -> None:
    """Mandatory: a queue that somebody has deleted is no silent loss."""
    properties = Basic.Properties(content_type="application/json", delivery_mode=2)
    await channel.basic_publish(body, routing_key=JOURNAL_QUEUE, mandatory=True, wait=False, properties=properties)


class _Inbox:
    """The collecting side: a consumer, and what it was delivered."""

    def __init__(self, most: int, wait_s: float) -> None:
        self._most = most
        self._wait_s = wait_s
        self._channel: AbstractChannel | None = None
        self._waiting: asyncio.Queue[DeliveredMessage] = asyncio.Queue()

    async def up(self, connection: AbstractConnection, lose: Lose) -> None:
        channel = self._channel = await connection.channel(publisher_confirms=False)
        channel.close_callbacks.add(lose)
        await self.probe()
        queue = await channel.declare_queue(JOURNAL_QUEUE, durable=True, arguments=ARGUMENTS)
        underlay = cast(Channel, await channel.get_underlay_channel())
        underlay.on_consumer_cancel_callbacks.add(lose)
        await underlay.basic_consume(queue.name, self._waiting.put)

    async def probe(self) -> None:
        """Sets the prefetch count, for the first time or once more."""
        if self._channel is not None:
            await self._channel.set_qos(prefetch_count=AHEAD * self._most)

    def down(self) -> None:
        """What waits here is delivered again."""
        self._channel = None
        while not self._waiting.empty():
            self._waiting.get_nowait()

    async def batches(self) -> AsyncGenerator[Batch]:
        while True:
            messages: list[DeliveredMessage] = []
            await gather(messages, self._waiting, self._most, self._wait_s)
            batch = Batch(tuple(message.body for message in messages), partial(_acknowledge, messages[-1]))
            while not batch.is_done:
                yield batch

    async def close(self) -> None:
        if self._channel is not None:
            self._channel.close_callbacks.clear()  # its end is no loss any more
            with suppress(*LOST), cancelled_by_us_alone():
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._channel.close()


async def _acknowledge(last: DeliveredMessage) -> None:
    """All that its channel delivered up to this one: batches are made, and done, in the order of delivery."""
    with suppress(*LOST):
        await cast(Channel, last.channel).basic_ack(last.delivery_tag or 0, multiple=True, wait=False)


class AmqpPost:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._outbox: _Outbox | None = None

    @property
    def connected(self) -> bool:
        return self._link.connected

    async def post(self, bodies: Sequence[bytes]) -> None:
        if self._outbox is None:  # only now: who collects need not have the right to post
            self._outbox = _Outbox()
            self._link.attach(self._outbox)
        try:
            with cancelled_by_us_alone():
                async with asyncio.timeout(POST_TIMEOUT_S):
                    if not self._outbox.ready:
                        await self._link.settled.wait()
                    await self._outbox.send(bodies)
        except LOST as error:
            raise NotPosted(type(error).__name__) from None

    @asynccontextmanager
    async def collect(self, *, most: int = MOST, wait_s: float = WAIT_S) -> AsyncIterator[AsyncIterator[Batch]]:
        inbox = _Inbox(most, wait_s)
        self._link.attach(inbox)
        try:
            await self._link.settled.wait()
            async with aclosing(inbox.batches()) as batches:
                yield batches
        finally:
            self._link.detach(inbox)
            try:
                if self._link.connected:
                    await self._link.settled.wait()
            finally:
                await inbox.close()


@asynccontextmanager
async def open_amqp_post(url: str, name: str) -> AsyncIterator[AmqpPost]:
    """A post that is usable at once and connected as soon as the broker is."""
    link = Link(url, name, metrics.POST_CONNECTED)
    running = asyncio.create_task(link.run())
    try:
        yield AmqpPost(link)
    finally:
        running.cancel()
        await asyncio.wait([running])

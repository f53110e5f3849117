"""The outbox on RabbitMQ: a durable quorum queue, persistent messages, and a confirm for each of them.

On a connection of its own: a broker that is short of memory or disk makes publishers wait, and calls should not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any

import msgspec

from bouquet_mesh.amqp.channel import Channel, OnLost
from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.amqp.errors import LOST, Returned, cancellation_as_loss, leaving
from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.amqp.link import Link, open_link
from bouquet_mesh.amqp.wire import Delivery
from bouquet_mesh.observe import metrics
from bouquet_mesh.outbox.api import MOST, WAIT_S, Batch, NotSent, gather
from bouquet_mesh.outbox.packages import packed, unpacked
from bouquet_proto.names import JOURNAL_QUEUE

POST_TIMEOUT_S = 10.0
ENDLESS = 1_000_000_000
"""RabbitMQ 4 drops what came back 20 times, unless told otherwise; 3.10 knows no word for "never"."""
ARGUMENTS: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": ENDLESS}
AHEAD = 2
"""Batches that the broker delivers before the first one is done, so that the next one is there by then. It counts
messages, whatever is in them: at most, so many packages of `PACKAGE_BYTES` wait here for each record of a batch."""
KEPT = Properties(content_type="application/msgpack", is_kept=True)


class _Publisher:
    """The sending side: a channel in confirm mode. It declares nothing: who may declare a queue may delete it, and
    senders need not (deploy/rabbitmq). Until a collector has, what is sent is returned.
    """

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._on_lost: OnLost | None = None

    @property
    def ready(self) -> bool:
        return self._channel is not None

    async def up(self, connection: Connection, on_lost: OnLost) -> None:
        self._channel, self._on_lost = await connection.channel(on_lost, confirms=True), on_lost

    async def probe(self) -> None:
        if self._channel is not None:
            await self._channel.round_trip()

    def down(self) -> None:
        self._channel = self._on_lost = None

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Raises whatever a broken connection raises, and makes it anew: a channel that was nacked once may be for
        minutes, while a fresh one works (seen as a quorum queue changes its leader)."""
        channel, lose = self._channel, self._on_lost
        if channel is None or lose is None:
            raise ConnectionError
        sending = [channel.confirmed(package, KEPT, queue=JOURNAL_QUEUE) for package in packed(bodies)]
        try:
            await asyncio.gather(*sending)
        except Returned:  # nothing is broken, there is no queue
            raise
        except LOST as error:
            lose(error)
            raise
        except asyncio.CancelledError:
            lose(ConnectionResetError())
            raise
        finally:
            for confirmed in sending:
                confirmed.cancel()


class _Letter(msgspec.Struct, frozen=True):
    """A body of a message, and what there is to acknowledge once it is done: nothing but for its message's last one."""

    body: bytes
    channel: Channel
    tag: int | None


class _Inbox:
    """The collecting side: a consumer, and what it was delivered."""

    def __init__(self, most: int, wait_s: float) -> None:
        self._most = most
        self._wait_s = wait_s
        self._channel: Channel | None = None
        self._waiting: asyncio.Queue[_Letter] = asyncio.Queue()

    async def up(self, connection: Connection, on_lost: OnLost) -> None:
        channel = await connection.channel(on_lost)
        await channel.prefetch(AHEAD * self._most)
        await channel.declare_queue(JOURNAL_QUEUE, durable=True, arguments=ARGUMENTS)
        await channel.consume(JOURNAL_QUEUE, partial(self._take, channel))
        self._channel = channel

    async def probe(self) -> None:
        if self._channel is not None:
            await self._channel.round_trip()

    def down(self) -> None:
        """What waits here is delivered again."""
        self._channel = None
        while not self._waiting.empty():
            self._waiting.get_nowait()

    def _take(self, channel: Channel, message: Delivery) -> None:
        *others, last = unpacked(message.body)
        for body in others:
            self._waiting.put_nowait(_Letter(body, channel, None))
        self._waiting.put_nowait(_Letter(last, channel, message.tag))

    async def batches(self) -> AsyncGenerator[Batch]:
        while True:
            letters: list[_Letter] = []
            await gather(letters, self._waiting, self._most, self._wait_s)
            batch = Batch(tuple(letter.body for letter in letters), partial(_acknowledge, letters))
            while not batch.is_done:
                yield batch

    async def close(self) -> None:
        if self._channel is not None:
            async with leaving():
                await self._channel.close()


async def _acknowledge(letters: Sequence[_Letter]) -> None:
    """All that their channel delivered up to the last whole message: batches are made, and done, in order of delivery.
    One that began on a channel that is gone and ended on the next is acknowledged there."""
    for letter in reversed(letters):
        if letter.tag is not None:
            with suppress(*LOST):
                letter.channel.ack(letter.tag, multiple=True)
            return


class AmqpOutbox:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._publisher: _Publisher | None = None

    @property
    def connected(self) -> bool:
        return self._link.responsive

    async def send(self, bodies: Sequence[bytes]) -> None:
        if self._publisher is None:  # only now: who collects need not have the right to send
            self._publisher = _Publisher()
            self._link.attach(self._publisher)
        try:
            with cancellation_as_loss():
                async with asyncio.timeout(POST_TIMEOUT_S):
                    if not self._publisher.ready:
                        await self._link.settled.wait()
                    await self._publisher.send(bodies)
        except LOST as error:
            raise NotSent(type(error).__name__) from None

    @asynccontextmanager
    async def collect(self, *, most: int = MOST, wait_s: float = WAIT_S) -> AsyncIterator[AsyncIterator[Batch]]:
        inbox = _Inbox(most, wait_s)
        try:
            async with self._link.holding(inbox), aclosing(inbox.batches()) as batches:
                yield batches
        finally:
            await inbox.close()


@asynccontextmanager
async def open_amqp_outbox(url: str, name: str) -> AsyncIterator[AmqpOutbox]:
    """An outbox that is usable at once and connected as soon as the broker is."""
    async with open_link(url, name, metrics.POST_CONNECTED) as link:
        yield AmqpOutbox(link)

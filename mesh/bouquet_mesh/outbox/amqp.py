"""The outbox on RabbitMQ: a durable quorum queue, persistent messages, and a confirm for each of them.

On a connection of its own: a broker that is short of memory or disk makes publishers wait, and calls should not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial

import msgspec
from aio_pika.abc import AbstractChannel
from pamqp.common import FieldTable

from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.amqp.link import LOST, Link, Lose, cancelled_by_us_alone, leaving, open_link
from bouquet_mesh.amqp.wire import Connection, Delivery, Returned, Wire, underlay
from bouquet_mesh.observe import metrics
from bouquet_mesh.outbox.api import MOST, WAIT_S, Batch, NotSent, gather
from bouquet_proto.names import JOURNAL_QUEUE

POST_TIMEOUT_S = 10.0
ENDLESS = 1_000_000_000
"""RabbitMQ 4 drops what came back 20 times, unless told otherwise; 3.10 knows no word for "never"."""
ARGUMENTS: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": ENDLESS}
AHEAD = 2
"""Batches that the broker delivers before the first one is done, so that the next one is there by then. It counts
messages, whatever is in them: at most, so many packages of `PACKAGE_BYTES` wait here for each record of a batch."""
PACKAGE_MOST = 50
PACKAGE_BYTES = 32_000
"""Of the bodies in one message, but for a body that is larger alone: a message in two frames, so that calls get by."""
KEPT = Properties(content_type="application/msgpack", is_kept=True)

_package = msgspec.msgpack.Decoder(list[bytes])


class _Publisher:
    """The sending side: a channel in confirm mode. It declares nothing: who may declare a queue may delete it, and
    senders need not (deploy/rabbitmq). Until a collector has, what is sent is returned.
    """

    def __init__(self) -> None:
        self._channel: AbstractChannel | None = None
        self._wire: Wire | None = None
        self._lose: Lose | None = None

    @property
    def ready(self) -> bool:
        return self._wire is not None

    async def up(self, connection: Connection, lose: Lose) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(lose)
        self._channel, self._wire, self._lose = channel, await connection.wire(channel), lose

    async def probe(self) -> None:
        """Asks for what it has already."""
        if self._channel is not None:
            await (await underlay(self._channel)).confirm_delivery()

    def down(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._channel = self._wire = self._lose = None

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Raises whatever a broken connection raises, and makes it anew: a channel that was nacked once may be for
        minutes, while a fresh one works (seen as a quorum queue changes its leader)."""
        if self._wire is None or self._lose is None:
            raise ConnectionError
        lose = self._lose
        # Mandatory: a queue that somebody has deleted is no silent loss.
        sending = [self._wire.post(package, KEPT, queue=JOURNAL_QUEUE) for package in packed(bodies)]
        try:
            await asyncio.gather(*sending)
        except Returned:  # nothing is broken, there is no queue
            raise
        except (*LOST, asyncio.CancelledError) as error:
            lose(self, error)
            raise
        finally:
            for confirmed in sending:
                confirmed.cancel()


def packed(bodies: Sequence[bytes]) -> Iterator[bytes]:
    """Bodies together in as few messages as may be: the broker keeps, confirms and delivers those one by one."""
    package: list[bytes] = []
    left_bytes = PACKAGE_BYTES
    for body in bodies:
        if package and (len(body) > left_bytes or len(package) == PACKAGE_MOST):
            yield msgspec.msgpack.encode(package)
            package, left_bytes = [], PACKAGE_BYTES
        package.append(body)
        left_bytes -= len(body)
    if package:
        yield msgspec.msgpack.encode(package)


def unpacked(package: bytes) -> list[bytes]:
    """What no sender of ours made is one body, for the collector to judge."""
    try:
        return _package.decode(package) or [package]
    except msgspec.DecodeError:
        return [package]


class _Letter(msgspec.Struct, frozen=True):
    """A body of a message, and what there is to acknowledge once it is done: nothing but for its message's last one."""

    body: bytes
    wire: Wire
    tag: int | None


class _Inbox:
    """The collecting side: a consumer, and what it was delivered."""

    def __init__(self, most: int, wait_s: float) -> None:
        self._most = most
        self._wait_s = wait_s
        self._channel: AbstractChannel | None = None
        self._wire: Wire | None = None
        self._waiting: asyncio.Queue[_Letter] = asyncio.Queue()

    async def up(self, connection: Connection, lose: Lose) -> None:
        channel = self._channel = await connection.channel(publisher_confirms=False)
        channel.close_callbacks.add(lose)
        await self.probe()
        queue = await channel.declare_queue(JOURNAL_QUEUE, durable=True, arguments=ARGUMENTS)
        (await underlay(channel)).on_consumer_cancel_callbacks.add(lose)
        wire = self._wire = await connection.wire(channel)
        await wire.consume(queue.name, partial(self._take, wire))

    async def probe(self) -> None:
        """Sets the prefetch count, for the first time or once more."""
        if self._channel is not None:
            await self._channel.set_qos(prefetch_count=AHEAD * self._most)

    def down(self) -> None:
        """What waits here is delivered again."""
        if self._wire is not None:
            self._wire.close()
        self._channel = self._wire = None
        while not self._waiting.empty():
            self._waiting.get_nowait()

    def _take(self, wire: Wire, message: Delivery) -> None:
        *others, last = unpacked(message.body)
        for body in others:
            self._waiting.put_nowait(_Letter(body, wire, None))
        self._waiting.put_nowait(_Letter(last, wire, message.tag))

    async def batches(self) -> AsyncGenerator[Batch]:
        while True:
            letters: list[_Letter] = []
            await gather(letters, self._waiting, self._most, self._wait_s)
            batch = Batch(tuple(letter.body for letter in letters), partial(_acknowledge, letters))
            while not batch.is_done:
                yield batch

    async def close(self) -> None:
        if self._channel is not None:
            self._channel.close_callbacks.clear()  # its end is no loss any more
            async with leaving():
                await self._channel.close()


async def _acknowledge(letters: Sequence[_Letter]) -> None:
    """All that their channel delivered up to the last whole message: batches are made, and done, in order of delivery.
    One that began on a channel that is gone and ended on the next is acknowledged there."""
    for letter in reversed(letters):
        if letter.tag is not None:
            with suppress(*LOST):
                letter.wire.ack(letter.tag, multiple=True)
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
            with cancelled_by_us_alone():
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

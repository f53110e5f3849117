"""AMQP channel with the operations that Bouquet's bus and outbox need. For speed, `wire.py` reads and writes the
messages; the library aiormq does the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import aio_pika
import aiormq
import msgspec
from aio_pika.abc import AbstractChannel

from bouquet_mesh.amqp.errors import ConsumerCancelled
from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.amqp.wire import Deliver, OnSettled, StreamFactory, Wire

OnLost: TypeAlias = Callable[[Exception], object]
"""Callback that receives the error that ended a connection, a channel, or the consumer of a channel."""
# It may be called several times, but never after `Channel.close`.


class QueueCounts(msgspec.Struct, frozen=True):
    messages: int
    consumers: int


class Channel:
    """Open AMQP channel. Its coroutines raise one of the errors in `CONNECTION_LOST` if the broker refuses an operation
    or the connection is lost."""

    def __init__(self, handle: AbstractChannel, aiormq_channel: aiormq.Channel, wire: Wire, on_lost: OnLost) -> None:
        self._handle = handle
        self._aiormq = aiormq_channel
        self._wire = wire
        self._on_lost = on_lost
        self._consumer_tag = ""
        self._prefetch_count = 0
        handle.close_callbacks.add(self._report_loss)
        aiormq_channel.on_consumer_cancel_callbacks.add(self._report_cancel)

    async def declare_exchange(self, name: str) -> None:
        await self._aiormq.exchange_declare(name, exchange_type="direct", durable=True)

    async def require_exchange(self, name: str) -> None:
        """Checks that an exchange exists. Raises `NotDeclared` if it does not."""
        await self._aiormq.exchange_declare(name, passive=True)

    async def declare_queue(
        self,
        name: str,
        *,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        """Creates a queue, unless a queue of this name exists. Raises `PreconditionFailed` if the existing queue has
        other options."""
        await self._aiormq.queue_declare(
            name, durable=durable, exclusive=exclusive, auto_delete=auto_delete, arguments=arguments
        )

    async def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Binds a queue to an exchange by a routing key."""
        await self._aiormq.queue_bind(queue, exchange, routing_key)

    async def count(self, queue: str) -> QueueCounts:
        """Returns the number of messages and the number of consumers of a queue. Raises `NotDeclared` if the queue does
        not exist."""
        declared = await self._aiormq.queue_declare(queue, passive=True)
        return QueueCounts(declared.message_count or 0, declared.consumer_count or 0)

    async def delete_unused_queue(self, name: str) -> None:
        """Deletes a queue that has no consumers. Raises `PreconditionFailed` if the queue has consumers."""
        await self._aiormq.queue_delete(name, if_unused=True)

    async def prefetch(self, count: int) -> None:
        """Sets the largest number of messages that the broker may deliver on this channel before they are acknowledged.
        Must be called before `consume`."""
        self._prefetch_count = count
        await self.round_trip()

    async def round_trip(self) -> None:
        """Returns once the broker has processed everything sent on this channel so far."""
        await self._aiormq.basic_qos(prefetch_count=self._prefetch_count)

    async def consume(self, queue: str, deliver: Deliver, *, no_ack: bool = False, priority: int = 0) -> None:
        """Starts to consume a queue: calls `deliver` with each message that arrives. `deliver` must not raise. If
        `no_ack` is true, messages need no acknowledgement. The broker prefers consumers with a higher `priority`."""
        # A channel has at most one consumer. The broker gives a consumer messages only while every consumer of a higher
        # `priority` already holds as many as its prefetch limit allows.
        self._wire.deliver = deliver
        consumed = await self._aiormq.basic_consume(
            queue, _ignore_message, no_ack=no_ack, arguments={"x-priority": priority} if priority else None
        )
        self._consumer_tag = consumed.consumer_tag or ""

    async def switch_queue(self, queue: str, deliver: Deliver, *, priority: int = 0) -> None:
        """Starts to consume `queue`, then stops consuming the queue that the channel consumed before. Messages already
        delivered from the former queue can still be acknowledged."""
        former = self._consumer_tag
        await self.consume(queue, deliver, priority=priority)
        await self._aiormq.basic_cancel(former)

    async def stop_consuming(self) -> None:
        """Ends deliveries on this channel. Messages already delivered can still be acknowledged."""
        # The end of the channel is no longer reported to `on_lost`.
        self._on_lost = _ignore_loss
        if self._consumer_tag:
            await self._aiormq.basic_cancel(self._consumer_tag)

    def send(self, body: bytes, properties: Properties, *, exchange: str, routing_key: str) -> None:
        """Publishes a message without waiting for a confirm. Raises `ConnectionResetError` on a channel known to be
        closed."""
        # Messages and acknowledgements sent in one iteration of the event loop share one system call.
        self._wire.send(body, properties, exchange=exchange, routing_key=routing_key)

    def publish(self, body: bytes, properties: Properties, settled: OnSettled, *, queue: str) -> None:
        """Publishes a message to a queue, and calls `settled` once with the result. The result is None if the broker
        has accepted the message, otherwise the error `MessageReturned`, `MessageRefused` or `ConnectionResetError`."""
        # `settled` must not raise. Requires a channel opened with `confirms`.
        self._wire.publish(body, properties, settled, queue=queue)

    def confirmed(self, body: bytes, properties: Properties, *, queue: str) -> asyncio.Future[None]:
        """Publishes a message to `queue`, and returns a future that is done once the broker has accepted the message.
        If the broker does not accept it, the future fails with `MessageReturned`, `MessageRefused` or
        `ConnectionResetError`."""
        # A caller that stops waiting must cancel the future.
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.publish(body, properties, partial(_settle, future), queue=queue)
        return future

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Acknowledges the delivery with this tag and, if `multiple` is true, all earlier deliveries on the channel.
        Raises `ConnectionResetError` on a channel known to be closed."""
        self._wire.ack(tag, multiple=multiple)

    async def close(self) -> None:
        """Closes the channel. Publishers of messages that the broker has not confirmed by then get a
        `ConnectionResetError`."""
        self._on_lost = _ignore_loss
        await self._handle.close()
        self._wire.close()

    def _report_loss(self, _: object, cause: object = None, /) -> None:
        """Passes the error that ended the channel to `on_lost`."""
        # It is the error that aio-pika reports or, if it reports none, a `ConnectionResetError`.
        self._on_lost(cause if isinstance(cause, Exception) else ConnectionResetError())

    def _report_cancel(self, _: object) -> None:
        self._on_lost(ConsumerCancelled())


async def open_channel(
    connection: aio_pika.Connection, stream: StreamFactory, on_lost: OnLost | None, *, confirms: bool
) -> Channel:
    """Opens a channel on `connection`; `stream` is the factory that opened the connection's socket. Calls `on_lost`,
    unless it is None, with the error that ends the channel. If `confirms` is true, the broker confirms or refuses each
    published message."""
    # `stream` makes the `Wire` that reads and writes the channel's messages.
    handle = await connection.channel(publisher_confirms=confirms)
    aiormq_channel = await handle.get_underlay_channel()
    assert isinstance(aiormq_channel, aiormq.Channel)
    wire = stream.wire(aiormq_channel.number, aiormq_channel.max_content_size)
    return Channel(handle, aiormq_channel, wire, on_lost or _ignore_loss)


def _settle(confirmed: asyncio.Future[None], error: Exception | None) -> None:
    if confirmed.done():
        return
    if error is None:
        confirmed.set_result(None)
    else:
        confirmed.set_exception(error)


async def _ignore_message(_: object) -> None:
    """Does nothing. aiormq requires a callback for messages, but never calls this function."""
    # `wire.py` reads all messages before aiormq.


def _ignore_loss(_: Exception) -> None:
    """Does nothing. Takes the place of an `on_lost` that is None."""

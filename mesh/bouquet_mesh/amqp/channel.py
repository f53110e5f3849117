"""A channel of a connection to the broker: all that the mesh does with one, behind one handle.

The messages go past aiormq (`wire.py`); aiormq opens and closes the channel, declares, consumes, and learns of its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import aio_pika
import aiormq
import msgspec
from aio_pika.abc import AbstractChannel

from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.amqp.wire import Deliver, Settled, Stream, Wire

OnLost: TypeAlias = Callable[[Exception], object]
"""Called with what ended a channel, or a consumer on it: once or more, and not after `Channel.close`."""


class QueueCounts(msgspec.Struct, frozen=True):
    messages: int
    """That wait for a consumer."""
    consumers: int


class Channel:
    """An open channel. Its coroutines raise `AccessRefused`, `NotDeclared` or an error of a lost connection."""

    def __init__(self, handle: AbstractChannel, aiormq_channel: aiormq.Channel, wire: Wire, on_lost: OnLost) -> None:
        self._handle = handle
        self._aiormq = aiormq_channel
        self._wire = wire
        self._on_lost = on_lost
        self._consumer_tag = ""
        self._prefetch_count = 0
        handle.close_callbacks.add(self._lose)
        aiormq_channel.on_consumer_cancel_callbacks.add(self._lose)

    async def declare_exchange(self, name: str) -> None:
        """A durable one, direct."""
        await self._aiormq.exchange_declare(name, exchange_type="direct", durable=True)

    async def require_exchange(self, name: str) -> None:
        """Raises `NotDeclared`."""
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
        await self._aiormq.queue_declare(
            name, durable=durable, exclusive=exclusive, auto_delete=auto_delete, arguments=arguments
        )

    async def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        await self._aiormq.queue_bind(queue, exchange, routing_key)

    async def count(self, queue: str) -> QueueCounts:
        """Raises `NotDeclared`."""
        declared = await self._aiormq.queue_declare(queue, passive=True)
        return QueueCounts(declared.message_count or 0, declared.consumer_count or 0)

    async def delete_unused_queue(self, name: str) -> None:
        await self._aiormq.queue_delete(name, if_unused=True)

    async def prefetch(self, count: int) -> None:
        """Limits how many unacknowledged messages a consumer may hold. Applies to consumers that are started later."""
        self._prefetch_count = count
        await self.round_trip()

    async def round_trip(self) -> None:
        """Returns once the broker has dealt with all that this channel has sent until now."""
        await self._aiormq.basic_qos(prefetch_count=self._prefetch_count)

    async def consume(self, queue: str, deliver: Deliver, *, no_ack: bool = False, priority: int = 0) -> None:
        """Calls `deliver`, which may not raise, with each message as it comes. One consumer a channel.

        A consumer of lower `priority` is delivered what those of higher priority have no room for.
        """
        self._wire.deliver = deliver
        consumed = await self._aiormq.basic_consume(
            queue, _unused, no_ack=no_ack, arguments={"x-priority": priority} if priority else None
        )
        self._consumer_tag = consumed.consumer_tag or ""

    async def stop_consuming(self) -> None:
        """No message comes after this. What has come can still be acknowledged, until the channel is closed; its end is
        no loss any more."""
        self._on_lost = _unused_loss
        if self._consumer_tag:
            await self._aiormq.basic_cancel(self._consumer_tag)

    def send(self, body: bytes, properties: Properties, *, exchange: str, routing_key: str) -> None:
        """Publishes without asking what becomes of it. Raises `ConnectionResetError` where the channel is known to be
        gone.

        What one turn of the loop sends and acknowledges leaves in one write.
        """
        self._wire.send(body, properties, exchange=exchange, routing_key=routing_key)

    def publish(self, body: bytes, properties: Properties, settled: Settled, *, queue: str) -> None:
        """Publishes to a queue, and calls `settled`, which may not raise, once: with `None` when the broker has the
        message, else with `Returned`, `Refused` or `ConnectionResetError`. For a channel that was opened to `confirm`.
        """
        self._wire.publish(body, properties, settled, queue=queue)

    def confirmed(self, body: bytes, properties: Properties, *, queue: str) -> asyncio.Future[None]:
        """Publishes to a queue: done when the broker has the message, raises what `publish` tells. To be cancelled by
        whoever does not wait for it any more."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.publish(body, properties, partial(_settle, future), queue=queue)
        return future

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Acknowledges a delivery; `multiple`: and all before it. Raises as `send`."""
        self._wire.ack(tag, multiple=multiple)

    async def close(self) -> None:
        self._on_lost = _unused_loss
        await self._handle.close()
        self._wire.close()

    def _lose(self, _: object, cause: object = None, /) -> None:
        """Called by aio-pika with the channel and what ended it, by aiormq with a frame."""
        self._on_lost(cause if isinstance(cause, Exception) else ConnectionResetError())


async def open_channel(
    connection: aio_pika.Connection, stream: Stream, on_lost: OnLost | None, *, confirms: bool
) -> Channel:
    handle = await connection.channel(publisher_confirms=confirms)
    aiormq_channel = await handle.get_underlay_channel()
    assert isinstance(aiormq_channel, aiormq.Channel)
    wire = stream.wire(aiormq_channel.number, aiormq_channel.max_content_size)
    return Channel(handle, aiormq_channel, wire, on_lost or _unused_loss)


def _settle(confirmed: asyncio.Future[None], trouble: Exception | None) -> None:
    if confirmed.done():
        return
    if trouble is None:
        confirmed.set_result(None)
    else:
        confirmed.set_exception(trouble)


async def _unused(_: object) -> None:
    """aiormq's consumer: no message reaches aiormq."""


def _unused_loss(_: Exception) -> None:
    """The end of a channel that is being left, or that somebody waits on."""

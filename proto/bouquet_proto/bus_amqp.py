"""The bus on RabbitMQ. One connection a process, rebuilt whole after any loss (docs/adr/0002).

A durable, auto-deleted queue per provider; messages that are not persistent and expire with their deadline;
`mandatory` publishing with confirms, so that an absent worker is known at once; one exclusive reply queue per
connection, bound to the exchange `bouquet.replies`. No dead letters: they would be an unattended store of
identities.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol, cast

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError, DeliveryError
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from bouquet_proto import metrics
from bouquet_proto.bus import Handler, answer, ask
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Failed, Reply, Request
from bouquet_proto.names import REPLY_EXCHANGE, queue_of

log = logging.getLogger(__name__)

SYSTEM = "rabbitmq"
CONNECT_TIMEOUT_S = 5.0
SETUP_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
FIRST_RETRY_S = 0.2
LAST_RETRY_S = 5.0
HEARTBEAT_S = 10

LOST = (*CONNECTION_EXCEPTIONS, AMQPError, OSError, TimeoutError, RuntimeError)
"""What a broken connection raises, whichever layer notices first (aiormq says RuntimeError of a closed one)."""


class _Part(Protocol):
    """What a process does on its connection; made anew each time the connection is."""

    async def up(self, connection: AbstractConnection, lost: Callable[[], None]) -> None: ...

    def down(self) -> None: ...


class _Link:
    """A connection that comes back: it owns the reconnect loop and the parts that live on it."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._parts: list[_Part] = []
        self._connection: AbstractConnection | None = None
        self._lost = asyncio.Event()

    async def attach(self, part: _Part) -> None:
        """From now on `part` is up whenever the connection is."""
        self._parts.append(part)
        if self._connection is not None:
            try:
                await self._raise_part(part, self._connection)
            except LOST:
                self._lost.set()

    def detach(self, part: _Part) -> None:
        self._parts.remove(part)

    async def run(self) -> None:
        """Connects, waits for the loss, and again, with growing and jittered pauses. Ends by cancellation."""
        failures = 0
        while True:
            try:
                await self._live()
                failures = 0
            except Exception as error:  # whatever it was, the only cure is to connect again
                if failures == 0:
                    log.warning("broker unavailable", extra={"error": type(error).__name__})
                failures += 1
            pause_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(failures, 10))
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def _live(self) -> None:
        self._lost = asyncio.Event()
        connection = await aio_pika.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_S,
            client_properties={"connection_name": self._name},
            heartbeat=HEARTBEAT_S,
        )
        connection.close_callbacks.add(lambda *_: self._lost.set())
        try:
            # Before the parts go up: one attached meanwhile sees the connection and goes up by itself.
            self._connection = connection
            for part in list(self._parts):
                await self._raise_part(part, connection)
            metrics.BUS_CONNECTED.set(1)
            log.info("broker connected")
            await self._lost.wait()
            log.warning("broker connection lost")
        finally:
            self._connection = None
            metrics.BUS_CONNECTED.set(0)
            for part in self._parts:
                part.down()
            with suppress(*LOST):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await connection.close()

    async def _raise_part(self, part: _Part, connection: AbstractConnection) -> None:
        async with asyncio.timeout(SETUP_TIMEOUT_S):
            await part.up(connection, self._lost.set)


class _Calls:
    """The asking side: pending calls by correlation id, and the reply queue that ends them."""

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._reply_to = ""
        self._pending: dict[str, asyncio.Future[bytes | Failed]] = {}

    @property
    def ready(self) -> bool:
        return self._channel is not None

    async def up(self, connection: AbstractConnection, lost: Callable[[], None]) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(lambda *_: lost())
        exchange = await channel.declare_exchange(REPLY_EXCHANGE, "direct", durable=True)
        # A fresh name each time: the broker may hold the old queue for the dead connection until its heartbeat ends.
        queue = await channel.declare_queue(
            f"{REPLY_EXCHANGE}.{secrets.token_hex(8)}", exclusive=True, auto_delete=True
        )
        await queue.bind(exchange, queue.name)
        underlay = cast(Channel, await channel.get_underlay_channel())
        underlay.on_consumer_cancel_callbacks.add(lambda *_: lost())
        await underlay.basic_consume(queue.name, self._on_reply, no_ack=True)
        self._reply_to = queue.name
        self._channel = underlay

    def down(self) -> None:
        self._channel = None
        for future in self._pending.values():
            if not future.done():
                future.set_result(Failed("bus_unavailable"))

    async def exchange(self, provider: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        channel = self._channel
        if channel is None:
            return Failed("bus_unavailable")
        # Unguessable, so that one provider's worker cannot answer another's call.
        correlation_id = secrets.token_hex(16)
        future: asyncio.Future[bytes | Failed] = asyncio.get_running_loop().create_future()
        self._pending[correlation_id] = future
        try:
            await channel.basic_publish(
                body,
                routing_key=queue_of(provider),
                mandatory=True,
                wait=False,
                properties=Basic.Properties(
                    content_type="application/json",
                    correlation_id=correlation_id,
                    message_id=correlation_id,
                    reply_to=self._reply_to,
                    delivery_mode=1,
                    expiration=str(max(1, int(deadline.left_s() * 1000))),
                ),
            )
            return await future
        except DeliveryError:  # returned: the queue does not exist, so nobody serves it
            return Failed("not_deployed")
        except TimeoutError:
            raise
        except LOST:
            return Failed("bus_unavailable")
        finally:
            del self._pending[correlation_id]

    async def _on_reply(self, message: DeliveredMessage) -> None:
        future = self._pending.get(message.header.properties.correlation_id or "")
        if future is None or future.done():
            metrics.LATE_REPLIES.inc()
        else:
            future.set_result(message.body)


class _Intake:
    """The answering side of one provider: its queue, its consumer, and the handlers that run."""

    def __init__(self, provider: str, handler: Handler, concurrency: int) -> None:
        self._provider = provider
        self._handler = handler
        self._concurrency = concurrency
        self._channel: Channel | None = None
        self._consumer_tag = ""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def consuming(self) -> bool:
        return bool(self._consumer_tag)

    async def up(self, connection: AbstractConnection, lost: Callable[[], None]) -> None:
        channel = await connection.channel(publisher_confirms=False)
        channel.close_callbacks.add(lambda *_: lost())
        await channel.set_qos(prefetch_count=self._concurrency)
        queue = await channel.declare_queue(queue_of(self._provider), durable=True, auto_delete=True)
        underlay = cast(Channel, await channel.get_underlay_channel())
        underlay.on_consumer_cancel_callbacks.add(lambda *_: lost())
        self._channel = underlay
        consumed = await underlay.basic_consume(queue.name, self._on_request)
        self._consumer_tag = consumed.consumer_tag or ""

    def down(self) -> None:
        self._channel = None
        self._consumer_tag = ""

    async def _on_request(self, message: DeliveredMessage) -> None:
        # Our own task: those of the channel are cancelled with it, and work under way is worth finishing.
        task = asyncio.create_task(self._work(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, message: DeliveredMessage) -> None:
        """Answers, then acknowledges: a worker that dies leaves the message to another, once.

        A second delivery is acknowledged first, so that a message that kills its worker does it twice at most.
        """
        channel, properties = cast(Channel, message.channel), message.header.properties
        tag = message.delivery_tag or 0
        with suppress(*LOST):  # the connection is gone: the caller knows, and the broker delivers again
            if message.redelivered:
                await channel.basic_ack(tag, wait=False)
            reply = await answer(self._handler, SYSTEM, self._provider, message.body)
            await channel.basic_publish(
                reply,
                exchange=REPLY_EXCHANGE,
                routing_key=properties.reply_to or "",
                wait=False,
                properties=Basic.Properties(
                    content_type="application/json", correlation_id=properties.correlation_id, delivery_mode=1
                ),
            )
            if not message.redelivered:
                await channel.basic_ack(tag, wait=False)

    async def drain(self, drain_s: float) -> None:
        """Stops the intake, then waits for what runs; with prefetch = concurrency, all that was delivered runs."""
        channel, consumer_tag = self._channel, self._consumer_tag
        self._consumer_tag = ""
        with suppress(*LOST):
            if channel is not None and consumer_tag:
                await channel.basic_cancel(consumer_tag, timeout=CLOSE_TIMEOUT_S)
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=drain_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class AmqpBus:
    def __init__(self, link: _Link) -> None:
        self._link = link
        self._calls = _Calls()
        self._calling: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        return self._calls.ready

    async def call(self, provider: str, request: Request) -> Reply:
        await self._prepare()
        return await ask(self._calls.exchange, SYSTEM, provider, request)

    async def _prepare(self) -> None:
        """The reply queue exists once somebody calls: a worker's broker user may not declare one."""
        if self._calling is None:
            self._calling = asyncio.create_task(self._link.attach(self._calls))
        if not self._calling.done():
            await asyncio.shield(self._calling)

    @asynccontextmanager
    async def serve(
        self, provider: str, handler: Handler, *, concurrency: int, drain_s: float = 10.0
    ) -> AsyncIterator[_Intake]:
        intake = _Intake(provider, handler, concurrency)
        await self._link.attach(intake)
        try:
            yield intake
        finally:
            await intake.drain(drain_s)
            self._link.detach(intake)


@asynccontextmanager
async def open_amqp_bus(url: str, name: str) -> AsyncIterator[AmqpBus]:
    """A bus that is usable at once and connected as soon as the broker is. Closing it fails the calls in flight."""
    link = _Link(url, name)
    running = asyncio.create_task(link.run())
    try:
        yield AmqpBus(link)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

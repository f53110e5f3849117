"""The bus on RabbitMQ. One connection a process, rebuilt whole after any loss (docs/adr/0002).

A durable, auto-deleted queue per provider; messages that are not persistent and expire with their deadline;
`mandatory` publishing with confirms, so that an absent worker is known at once; one exclusive reply queue per
connection, bound to the exchange `bouquet.replies`. No dead letters: they would be an unattended store of
identities.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from functools import partial

from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.amqp.link import LOST, Link, Lose, leaving, open_link
from bouquet_mesh.amqp.wire import Connection, Delivery, Returned, Wire, underlay
from bouquet_mesh.bus.api import Ending, Handler, answer, ask, end, finish
from bouquet_mesh.clocks import Clocks
from bouquet_mesh.observe import metrics
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Failed, Reply, Request
from bouquet_proto.names import QUEUE_ARGUMENTS, REPLY_EXCHANGE, queue_of

SYSTEM = "rabbitmq"
PUBLISH_TIMEOUT_S = 2.0
"""A broker that hangs, or that blocks publishers for want of memory, is away long before the caller's deadline."""


class _Calls:
    """The asking side: pending calls by correlation id, and the reply queue that ends them."""

    def __init__(self) -> None:
        self._channel: AbstractChannel | None = None
        self._wire: Wire | None = None
        self._reply_to = ""
        self._pending: dict[str, Ending] = {}
        metrics.CALLS_PENDING.set_function(lambda: len(self._pending))

    @property
    def ready(self) -> bool:
        return self._wire is not None

    async def up(self, connection: Connection, lose: Lose) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(lose)
        exchange = await channel.declare_exchange(REPLY_EXCHANGE, "direct", durable=True)
        # A fresh name each time: the broker may hold the old queue for the dead connection until its heartbeat ends.
        queue = await channel.declare_queue(
            f"{REPLY_EXCHANGE}.{secrets.token_hex(8)}", exclusive=True, auto_delete=True
        )
        await queue.bind(exchange, queue.name)
        (await underlay(channel)).on_consumer_cancel_callbacks.add(lose)
        wire = await connection.wire(channel)
        await wire.consume(queue.name, self._on_reply, no_ack=True)
        self._channel, self._wire, self._reply_to = channel, wire, queue.name

    def down(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._channel = self._wire = None
        for future in self._pending.values():
            end(future, Failed("bus_unavailable"))

    async def probe(self) -> None:
        """A letter to ourselves. It goes past the reply exchange, where we may not write; that is asked whether it is
        there."""
        channel, wire = self._channel, self._wire
        if channel is None or wire is None:
            return
        with self._awaited() as (correlation_id, home):
            await wire.post(b"", Properties(correlation_id=correlation_id), queue=self._reply_to)
            await home
        await (await underlay(channel)).exchange_declare(REPLY_EXCHANGE, passive=True)

    async def exchange(self, provider: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        if self._wire is None:
            return Failed("bus_unavailable")
        left_s, loop = deadline.left_s(), asyncio.get_running_loop()
        with self._awaited() as (correlation_id, reply):
            late = loop.call_later(left_s, end, reply, Failed("deadline_exceeded"))
            unheard = loop.call_later(PUBLISH_TIMEOUT_S, end, reply, Failed("bus_unavailable"))

            def settled(trouble: Exception | None) -> None:
                unheard.cancel()
                if trouble is not None:
                    end(reply, _unpublished(trouble))

            properties = Properties(
                correlation_id=correlation_id,
                reply_to=self._reply_to,
                expiration=str(max(1, int(left_s * 1000))),
            )
            try:
                self._wire.put(body, properties, settled, queue=queue_of(provider))
                return await reply
            finally:
                late.cancel()
                unheard.cancel()

    @contextmanager
    def _awaited(self) -> Iterator[tuple[str, Ending]]:
        """A correlation id, and what ends with the message that bears it."""
        # Unguessable, so that one provider's worker cannot answer another's call.
        correlation_id = secrets.token_hex(16)
        # A reply, a return and a loss all end this one future, and nothing else is waited for.
        reply: Ending = asyncio.get_running_loop().create_future()
        self._pending[correlation_id] = reply
        try:
            yield correlation_id, reply
        finally:
            del self._pending[correlation_id]

    def _on_reply(self, message: Delivery) -> None:
        future = self._pending.get(message.properties.correlation_id)
        if future is None or future.done():
            metrics.LATE_REPLIES.inc()
        else:
            future.set_result(message.body)


def _unpublished(trouble: Exception) -> Failed:
    """What becomes of a call whose request has reached no queue: nobody serves one that does not exist."""
    return Failed("not_deployed" if isinstance(trouble, Returned) else "bus_unavailable")


class _Intake:
    """The answering side of one provider: its queue, its consumer, and the handlers that run."""

    def __init__(self, link: Link, provider: str, handler: Handler, concurrency: int) -> None:
        self._link = link
        self._provider = provider
        self._handler = handler
        self._concurrency = concurrency
        # A message delivered again is acknowledged before its work, so the prefetch count alone is no bound.
        self._free = asyncio.Semaphore(concurrency)
        self._alone = asyncio.Lock()
        self._channel: AbstractChannel | None = None
        self._wire: Wire | None = None
        self._consumer_tag = ""
        self._has_replied = False
        self._clocks = Clocks()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def consuming(self) -> bool:
        return bool(self._consumer_tag) and self._link.responsive

    async def up(self, connection: Connection, lose: Lose) -> None:
        channel = await connection.channel(publisher_confirms=False)
        channel.close_callbacks.add(lose)
        await _may_reply(connection)
        await channel.set_qos(prefetch_count=self._concurrency)
        queue = await channel.declare_queue(
            queue_of(self._provider), durable=True, auto_delete=True, arguments=QUEUE_ARGUMENTS
        )
        (await underlay(channel)).on_consumer_cancel_callbacks.add(lose)
        self._channel, self._wire = channel, await connection.wire(channel)
        self._has_replied = False
        self._clocks = Clocks()
        try:
            self._consumer_tag = await self._wire.consume(queue.name, partial(self._on_request, channel, self._wire))
        except ChannelAccessRefused:
            await _leave_no_queue(connection, queue.name)
            raise

    def down(self) -> None:
        """What runs is stopped: its reply has no way home any more, and the broker delivers its request again."""
        if self._wire is not None:
            self._wire.close()
        self._channel = self._wire = None
        self._consumer_tag = ""
        for task in self._tasks:
            task.cancel()

    async def probe(self) -> None:
        """Asks the queue whether it has consumers, after a message for nobody: as blocked as the replies would be.

        Not before the first reply: until then the exchange may not be there.
        """
        channel, wire = self._channel, self._wire
        if channel is None or wire is None or not self._consumer_tag:
            return
        if self._has_replied:
            wire.send(b"", Properties(), exchange=REPLY_EXCHANGE, routing_key="")
        queue = await (await underlay(channel)).queue_declare(queue_of(self._provider), passive=True)
        if not queue.consumer_count:
            raise ConnectionResetError

    def _on_request(self, channel: AbstractChannel, wire: Wire, message: Delivery) -> None:
        task = asyncio.create_task(self._work(channel, wire, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, channel: AbstractChannel, wire: Wire, message: Delivery) -> None:
        """Answers, then acknowledges: a worker that dies leaves the message to another, once.

        A second delivery is acknowledged first, so that a message that kills its worker does it twice at most; and
        handled alone among its like, so that it does not take with it those that it has killed a worker under before.
        """
        asked = message.properties
        with suppress(*LOST):  # the connection is gone: the caller knows, and the broker delivers again
            async with self._alone if message.redelivered else nullcontext(), self._free:
                if message.redelivered:  # and wait until it is out: its handler may leave no time for that
                    await (await underlay(channel)).basic_ack(message.tag)
                given_s = _given_s(asked)
                ours = self._ours(asked.reply_to, given_s)
                reply = await answer(self._handler, SYSTEM, self._provider, message.body, given_s, ours)
                wire.send(
                    reply,
                    Properties(correlation_id=asked.correlation_id),
                    exchange=REPLY_EXCHANGE,
                    routing_key=asked.reply_to,
                )
                self._has_replied = True
                if not message.redelivered:
                    wire.ack(message.tag)

    def _ours(self, sender: str, given_s: float) -> Callable[[float], float]:
        """From the sender's clock to this one."""
        now = time.time()
        if not given_s:
            return lambda deadline: deadline
        return lambda deadline: self._clocks.ours(sender, deadline, given_s, now)

    async def drain(self, drain_s: float) -> None:
        """Stops the intake, then waits for what runs; with prefetch = concurrency, all that was delivered runs."""
        channel = self._channel
        if channel is not None:
            channel.close_callbacks.clear()  # its end is no loss any more
        try:
            await self._stop_consuming()
        finally:
            await finish(self._tasks, drain_s)
        if channel is not None:
            async with leaving():
                await channel.close()

    async def _stop_consuming(self) -> None:
        if self._channel is not None and self._consumer_tag:
            async with leaving():
                await (await underlay(self._channel)).basic_cancel(self._consumer_tag)
        self._consumer_tag = ""


async def _may_reply(connection: Connection) -> None:
    """Raises `ChannelAccessRefused`: who may consume and not reply would take every request and lose its answer.

    Found out by a message for nobody, on a channel of its own, which a refusal ends.
    """
    channel = await connection.channel(publisher_confirms=False)
    try:
        await channel.declare_exchange(REPLY_EXCHANGE, passive=True)
    except ChannelNotFoundEntity:  # no gateway has been here yet
        return
    (await connection.wire(channel)).send(b"", Properties(), exchange=REPLY_EXCHANGE, routing_key="")
    await channel.set_qos()  # answered after it
    await channel.close()


async def _leave_no_queue(connection: Connection, queue: str) -> None:
    """Of a worker that may not consume from it: requests would wait there in vain, and nobody be `not_deployed`."""
    channel = await connection.channel(publisher_confirms=False)
    await (await underlay(channel)).queue_delete(queue, if_unused=True)


def _given_s(asked: Properties) -> float:
    """What was left of its deadline as the request was sent: its expiration. 0 for one that is not of our gateways'."""
    return int(asked.expiration) / 1000 if asked.expiration.isdecimal() else 0.0


class AmqpBus:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._calls: _Calls | None = None

    @property
    def ready(self) -> bool:
        return self._link.responsive and (self._calls is None or self._calls.ready)

    async def call(self, provider: str, request: Request) -> Reply:
        return await ask(self._exchange, SYSTEM, provider, request)

    async def _exchange(self, provider: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        if self._calls is None:  # only now: a worker never calls, and its broker user may declare no reply queue
            self._calls = _Calls()
            self._link.attach(self._calls)
        if not self.ready and not await self._settles(deadline):
            return Failed("deadline_exceeded")
        if not self._link.responsive:
            return Failed("bus_unavailable")
        return await self._calls.exchange(provider, body, deadline)

    async def _settles(self, deadline: Deadline) -> bool:
        """Whether it is known in time that the broker is there, or is not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline.left_s()):
                return await self._link.settled.wait()
        return False

    @asynccontextmanager
    async def serve(
        self, provider: str, handler: Handler, *, concurrency: int, drain_s: float = 10.0
    ) -> AsyncIterator[_Intake]:
        intake = _Intake(self._link, provider, handler, concurrency)
        try:
            async with self._link.holding(intake):
                yield intake
        finally:
            await intake.drain(drain_s)


@asynccontextmanager
async def open_amqp_bus(url: str, name: str) -> AsyncIterator[AmqpBus]:
    """A bus that is usable at once and connected as soon as the broker is. Closing it fails the calls in flight."""
    async with open_link(url, name) as link:
        yield AmqpBus(link)

"""The bus on RabbitMQ. One connection a process, rebuilt whole after any loss (docs/adr/0002).

A durable, auto-deleted queue per provider; messages that are not persistent and expire with their deadline;
`mandatory` publishing with confirms, so that an absent worker is known at once; one exclusive reply queue per
connection, bound to the exchange `bouquet.replies`. No dead letters: they would be an unattended store of
identities.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from functools import partial

from bouquet_mesh.amqp.channel import Channel, OnLost
from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.amqp.errors import LOST, AccessRefused, NotDeclared, Returned, leaving
from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.amqp.link import Link, open_link, try_out
from bouquet_mesh.amqp.wire import Delivery
from bouquet_mesh.bus.api import Ending, Handler, answer, ask, end, finish
from bouquet_mesh.observe import metrics
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Failed, Reply, Request
from bouquet_proto.names import QUEUE_ARGUMENTS, REPLY_EXCHANGE, queue_of

SYSTEM = "rabbitmq"
PUBLISH_TIMEOUT_S = 2.0
"""A broker that hangs, or that blocks publishers for want of memory, is away long before the caller's deadline."""
AFTER_ALL_OTHERS = -1
"""The priority of a consumer that wants no message: a worker's is 0."""


class _Calls:
    """The asking side: pending calls by correlation id, and the reply queue that ends them."""

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._reply_to = ""
        self._pending: dict[str, Ending] = {}
        metrics.CALLS_PENDING.set_function(lambda: len(self._pending))

    @property
    def ready(self) -> bool:
        return self._channel is not None

    async def up(self, connection: Connection, on_lost: OnLost) -> None:
        channel = await connection.channel(on_lost, confirms=True)
        await channel.declare_exchange(REPLY_EXCHANGE)
        # A fresh name each time: the broker may hold the old queue for the dead connection until its heartbeat ends.
        queue = f"{REPLY_EXCHANGE}.{secrets.token_hex(8)}"
        await channel.declare_queue(queue, exclusive=True, auto_delete=True)
        await channel.bind(queue, REPLY_EXCHANGE, queue)
        await channel.consume(queue, self._on_reply, no_ack=True)
        self._channel, self._reply_to = channel, queue

    def down(self) -> None:
        self._channel = None
        for future in self._pending.values():
            end(future, Failed("bus_unavailable"))

    async def probe(self) -> None:
        """A message to its own reply queue. It goes past the reply exchange, where a gateway may not write; of that the
        broker says whether it is there."""
        channel = self._channel
        if channel is None:
            return
        with self._awaited() as (correlation_id, home):
            await channel.confirmed(b"", Properties(correlation_id=correlation_id), queue=self._reply_to)
            await home
        await channel.require_exchange(REPLY_EXCHANGE)

    async def exchange(self, provider: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        if self._channel is None:
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
                expires_ms=max(1, math.ceil(left_s * 1000)),
            )
            try:
                self._channel.publish(body, properties, settled, queue=queue_of(provider))
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


class _Consumer:
    """The answering side of one provider, without an answer: its queue, and its consumer there."""

    def __init__(self, provider: str, concurrency: int, priority: int = 0) -> None:
        self._queue = queue_of(provider)
        self._concurrency = concurrency
        self._priority = priority
        self._channel: Channel | None = None
        self._has_replied = False

    @property
    def consuming(self) -> bool:
        return self._channel is not None

    async def up(self, connection: Connection, on_lost: OnLost) -> None:
        channel = await connection.channel(on_lost)
        await _check_may_reply(connection)
        await channel.prefetch(self._concurrency)
        await channel.declare_queue(self._queue, durable=True, auto_delete=True, arguments=QUEUE_ARGUMENTS)
        self._has_replied = False
        try:
            await channel.consume(self._queue, partial(self._on_request, channel), priority=self._priority)
        except AccessRefused:
            await _leave_no_queue(connection, self._queue)
            raise
        self._channel = channel

    def down(self) -> None:
        self._channel = None

    async def probe(self) -> None:
        """Asks the queue whether it has consumers, after a message for nobody: as blocked as the replies would be.

        Not before the first reply: until then the exchange may not be there.
        """
        channel = self._channel
        if channel is None:
            return
        if self._has_replied:
            channel.send(b"", Properties(), exchange=REPLY_EXCHANGE, routing_key="")
        if not (await channel.count(self._queue)).consumers:
            raise ConnectionResetError

    def _on_request(self, channel: Channel, message: Delivery) -> None:
        """Leaves it unacknowledged: the broker delivers it to another as this consumer goes."""


class _Intake(_Consumer):
    """The answering side of one provider: its queue, its consumer, and the handlers that run."""

    def __init__(self, provider: str, handler: Handler, concurrency: int) -> None:
        super().__init__(provider, concurrency)
        self._provider = provider
        self._handler = handler
        # A message delivered again is acknowledged before its work, so the prefetch count alone is no bound.
        self._free = asyncio.Semaphore(concurrency)
        self._alone = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def down(self) -> None:
        """What runs is stopped: its reply has no way home any more, and the broker delivers its request again."""
        super().down()
        for task in self._tasks:
            task.cancel()

    def _on_request(self, channel: Channel, message: Delivery) -> None:
        task = asyncio.create_task(self._work(channel, message, time.time()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, channel: Channel, message: Delivery, arrived_at: float) -> None:
        """Answers, then acknowledges: a worker that dies leaves the message to another, once.

        A second delivery is acknowledged first, so that a message that kills its worker does it twice at most; and
        handled alone among its like, so that it does not take with it those that it has killed a worker under before.
        """
        asked = message.properties
        with suppress(*LOST):  # the connection is gone: the caller knows, and the broker delivers again
            async with self._alone if message.redelivered else nullcontext(), self._free:
                if message.redelivered:
                    channel.ack(message.tag)
                    await channel.round_trip()  # the broker knows before the handler can end this process
                given_s = asked.expires_ms / 1000
                reply = await answer(self._handler, SYSTEM, self._provider, message.body, arrived_at, given_s)
                channel.send(
                    reply,
                    Properties(correlation_id=asked.correlation_id),
                    exchange=REPLY_EXCHANGE,
                    routing_key=asked.reply_to,
                )
                self._has_replied = True
                if not message.redelivered:
                    channel.ack(message.tag)

    async def drain(self, drain_s: float) -> None:
        """Stops the intake, then waits for what runs; with prefetch = concurrency, all that was delivered runs."""
        channel = self._channel
        try:
            if channel is not None:
                async with leaving():
                    await channel.stop_consuming()
            self._channel = None
        finally:
            await finish(self._tasks, drain_s)
        if channel is not None:
            async with leaving():
                await channel.close()


async def _check_may_reply(connection: Connection) -> None:
    """Raises `AccessRefused`: who may consume and not reply would take every request and lose its answer.

    Found out by a message for nobody, on a channel of its own, which a refusal ends.
    """
    async with connection.temporary_channel() as channel:
        try:
            await channel.require_exchange(REPLY_EXCHANGE)
        except NotDeclared:  # no gateway has been here yet
            return
        channel.send(b"", Properties(), exchange=REPLY_EXCHANGE, routing_key="")
        await channel.round_trip()


async def _leave_no_queue(connection: Connection, queue: str) -> None:
    """Of a worker that may not consume from it: requests would wait there in vain, and nobody be `not_deployed`."""
    async with connection.temporary_channel() as channel:
        await channel.delete_unused_queue(queue)


async def try_calling(connection: Connection) -> None:
    """Starts the asking side as a gateway does, and sends a message to itself. Raises as `try_out`."""
    await try_out(connection, _Calls())


async def try_serving(connection: Connection, provider: str) -> None:
    """Starts the answering side as a worker does, behind those that run. Raises as `try_out`.

    A request that is delivered meanwhile goes to another worker as the connection is closed, and a queue that no worker
    has goes with it.
    """
    await try_out(connection, _Consumer(provider, concurrency=1, priority=AFTER_ALL_OTHERS))


class _Serving:
    """An intake, and whether requests reach it."""

    def __init__(self, link: Link, intake: _Intake) -> None:
        self._link = link
        self._intake = intake

    @property
    def consuming(self) -> bool:
        return self._intake.consuming and self._link.responsive


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
    ) -> AsyncIterator[_Serving]:
        intake = _Intake(provider, handler, concurrency)
        try:
            async with self._link.holding(intake):
                yield _Serving(self._link, intake)
        finally:
            await intake.drain(drain_s)


@asynccontextmanager
async def open_amqp_bus(url: str, name: str) -> AsyncIterator[AmqpBus]:
    """A bus that is usable at once and connected as soon as the broker is. Closing it fails the calls in flight."""
    async with open_link(url, name) as link:
        yield AmqpBus(link)

"""The bus on RabbitMQ, over one connection per process that reconnects after any loss (docs/adr/0002).

Each provider has a durable, auto-deleted queue. While the RabbitMQ node of that queue is down, the provider's workers
use a second queue, the reserve queue; callers try both. Messages are not persistent, and expire with their deadline.
Requests are published as `mandatory` and with confirms, so that an absent worker is known at once. A calling process
has an exclusive reply queue per connection, bound to the exchange `bouquet.replies`.

There is no dead-letter queue: it would be an unattended store of identities. For the same reason a queue may refuse a
request that would wait in it: requests wait in workers, or else in the calling process, which publishes them again
(docs/adr/0015).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial

from bouquet_mesh.amqp.channel import Channel, OnLost
from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.amqp.errors import (
    CONNECTION_LOST,
    AccessRefused,
    NotDeclared,
    Refused,
    Returned,
    bounded_close,
)
from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.amqp.link import Drain, Link, open_link, trial_run
from bouquet_mesh.amqp.wire import Delivery
from bouquet_mesh.backoff import pause_s
from bouquet_mesh.bus import queues
from bouquet_mesh.bus.api import Handler, PendingReply, answer, ask, resolve
from bouquet_mesh.observe import metrics
from bouquet_mesh.tasks import finish_or_cancel
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Failed, Reply, Request
from bouquet_proto.names import GATEWAY_OWNER, REPLY_EXCHANGE, queue_of, reserve_queue_of

log = logging.getLogger(__name__)

SYSTEM = "rabbitmq"
"""Name of the messaging system, as recorded in OpenTelemetry spans."""
PUBLISH_TIMEOUT_S = 2.0
"""Longest wait, in seconds, for the broker's confirm of a request."""
REPUBLISH_WITHIN_S = 4.0
"""Longest time, in seconds, during which a request that no queue accepts is published again at short intervals. After
that, the call fails."""
# A full queue does not accept it, nor does one on a failed node; or there is no queue, though the provider has just
# answered.
FIRST_REPUBLISH_S = 0.05
LAST_REPUBLISH_S = 0.4
REFUSED = Failed("provider_busy")
"""Failure of a request that the provider's queue has refused. As no worker has received the request, it may be
published again."""
NOT_DEPLOYED = Failed("not_deployed")
UNQUEUED = (REFUSED, NOT_DEPLOYED)
"""Failures that mean that the request is in no queue: the provider's queue has refused it, or does not exist."""
ANSWERED_WITHIN_S = 5.0
"""Seconds after a provider's last reply within which a missing queue of the provider counts as a temporary fault. The
provider's workers will probably declare the queue again soon."""
FIRST_RETURN_S = 1.0
"""Seconds that a worker consumes the reserve queue (used while the node of the provider's usual queue is down) before
its first attempt to return to the usual queue."""
# Soon, because the broker may only have been slow. The usual queue may then be declared after all, and accept requests
# without a consumer.
RETURN_EVERY_S = 5.0
"""Seconds between a worker's further attempts to return from the reserve queue (used while the node of the provider's
usual queue is down) to the usual one."""
RESERVE_TIMEOUT_S = 2.5
"""Longest wait, in seconds, for the declaration of a reserve queue (used while the node of the provider's usual queue
is down). If the broker has not answered by then, the worker deletes the reserve queue, so that it can be declared
again."""
DELETE_AFTER_S = 15.0
"""Seconds that a worker consumes the reserve queue, because it cannot declare the provider's usual queue, before it
deletes the usual queue."""
PREFETCH_PER_SLOT = 2
"""Number of unacknowledged requests that the broker may deliver to a worker for each request that the worker handles at
the same time. With 2, the next request is already there when the worker has finished one."""
LOWEST_PRIORITY = -1
"""Priority of the consumer with which a check tries to consume a queue. Workers have priority 0, so the broker prefers
them."""


class _PendingCalls:
    """Calls of this process that wait for a reply, each under its correlation id. Their replies arrive on one queue of
    this process, the reply queue."""

    owner = GATEWAY_OWNER

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._reply_to = ""
        self._pending: dict[str, PendingReply] = {}
        self._queues: dict[str, tuple[str, str]] = {}
        """Names of the two queues of each provider, in the order in which the next call tries them. A provider without
        an entry is tried on its usual queue, then on its reserve queue."""
        self._answered_at: dict[str, float] = {}
        """Time of the last reply of each provider, in seconds by the clock `time.monotonic`."""
        metrics.CALLS_PENDING.set_function(lambda: len(self._pending))

    @property
    def ready(self) -> bool:
        """Whether this process consumes its reply queue."""
        return self._channel is not None

    async def start(self, connection: Connection, on_lost: OnLost) -> Drain:
        """Declares a new reply queue and starts to consume it. Returns a function that waits until the pending calls
        have ended."""
        channel = await connection.channel(on_lost, confirms=True)
        await channel.declare_exchange(REPLY_EXCHANGE)
        # A fresh name each time: the broker may hold the old queue for the dead connection until its heartbeat ends.
        queue = f"{REPLY_EXCHANGE}.{secrets.token_hex(8)}"
        await channel.declare_queue(queue, exclusive=True, auto_delete=True)
        await channel.bind(queue, REPLY_EXCHANGE, queue)
        await channel.consume(queue, self._on_reply, no_ack=True)
        self._channel, self._reply_to = channel, queue
        return self._pending_ended

    async def _pending_ended(self) -> None:
        """Waits until all calls that are pending now have ended."""
        if pending := tuple(self._pending.values()):
            await asyncio.wait(pending)

    def stop(self) -> None:
        """Ends each pending call with the failure `bus_unavailable`."""
        self._channel = None
        for future in self._pending.values():
            resolve(future, Failed("bus_unavailable"))

    async def probe(self) -> None:
        """Checks that replies can arrive: sends a message to this process's own reply queue and waits for it, then
        checks that the exchange for replies exists."""
        # Nothing is published there, since a gateway has no right to publish to it.
        channel = self._channel
        if channel is None:
            return
        correlation_id, returned = self._expect_reply()
        try:
            await channel.confirmed(b"", Properties(correlation_id=correlation_id), queue=self._reply_to)
            await returned
        finally:
            del self._pending[correlation_id]
        await channel.require_exchange(REPLY_EXCHANGE)

    async def exchange(self, provider: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        """Publishes a request to the queue of a provider by which its last reply came (at first, the usual queue). If
        that queue does not accept the request, publishes it to the provider's other queue. Returns the body of the
        reply, or the failure."""
        first, second = self._queues.get(provider) or (queue_of(provider), reserve_queue_of(provider))
        reply = await self._exchange_by(first, body, deadline)
        if reply in UNQUEUED:
            other = await self._exchange_by(second, body, deadline)
            if isinstance(other, bytes):
                self._queues[provider] = second, first
            if other != NOT_DEPLOYED:
                reply = other
        if isinstance(reply, bytes):
            self._answered_at[provider] = time.monotonic()
        return reply

    def has_just_answered(self, provider: str) -> bool:
        """Whether the provider has answered a call within the last `ANSWERED_WITHIN_S` seconds."""
        return time.monotonic() - self._answered_at.get(provider, -math.inf) < ANSWERED_WITHIN_S

    async def _exchange_by(self, queue: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        """Publishes a request to a queue and waits for the reply. Returns the reply's body, or a `Failed` with the
        reason why there is none."""
        if self._channel is None:
            return Failed("bus_unavailable")
        left_s, loop = deadline.left_s(), asyncio.get_running_loop()
        correlation_id, reply = self._expect_reply()
        late = loop.call_later(left_s, resolve, reply, Failed("deadline_exceeded"))
        no_confirm = loop.call_later(PUBLISH_TIMEOUT_S, resolve, reply, Failed("bus_unavailable"))

        def settled(error: Exception | None) -> None:
            no_confirm.cancel()
            if error is not None:
                resolve(reply, _publish_failure(error))

        properties = Properties(
            correlation_id=correlation_id,
            reply_to=self._reply_to,
            expires_ms=max(1, math.ceil(left_s * 1000)),
        )
        try:
            self._channel.publish(body, properties, settled, queue=queue)
            return await reply
        finally:
            late.cancel()
            no_confirm.cancel()
            del self._pending[correlation_id]

    def _expect_reply(self) -> tuple[str, PendingReply]:
        """Returns a new correlation id, and the future of the reply that will have this id. The caller must remove the
        id from `_pending` when it stops waiting."""
        # Unguessable, so that one provider's worker cannot answer another's call.
        correlation_id = secrets.token_hex(16)
        # A reply, a return and a loss all resolve this one future, the only thing that is awaited.
        reply: PendingReply = asyncio.get_running_loop().create_future()
        self._pending[correlation_id] = reply
        return correlation_id, reply

    def _on_reply(self, message: Delivery) -> None:
        future = self._pending.get(message.properties.correlation_id)
        if future is None or future.done():
            metrics.LATE_REPLIES.inc()
        else:
            future.set_result(message.body)


def _publish_failure(error: Exception) -> Failed:
    """Returns the failure of a call whose request could not be published because of `error`, such as `not_deployed` if
    the provider has no queue."""
    if isinstance(error, Refused):
        return REFUSED
    return NOT_DEPLOYED if isinstance(error, Returned) else Failed("bus_unavailable")


class _Consumer:
    """Consumer of a provider's requests, from the usual queue or, while the node of this queue is down, from the
    reserve queue. This base class only checks that the queue can be consumed; its subclass `_WorkerConsumer` also
    handles the requests."""

    def __init__(self, provider: str, prefetch: int, priority: int = 0) -> None:
        self.owner = provider
        self._usual_queue = queue_of(provider)
        self._reserve_queue = reserve_queue_of(provider)
        self._queue = self._usual_queue
        self._return_at = self._delete_at = 0.0
        self._deletion: asyncio.Task[None] | None = None
        self._prefetch = prefetch
        self._priority = priority
        self._channel: Channel | None = None
        self._has_replied = False

    @property
    def consuming(self) -> bool:
        """Whether the consumer is registered with the broker, so that requests are delivered to it."""
        return self._channel is not None

    async def start(self, connection: Connection, on_lost: OnLost) -> Drain:
        """Declares the provider's request queue and starts to consume it. Raises `AccessRefused` if the broker's user
        lacks a right for this."""
        # Leaves no queue behind then.
        channel = await connection.channel(on_lost)
        await queues.check_reply_right(connection)
        await channel.prefetch(self._prefetch)
        queue = await self._declare_queue(connection)
        try:
            await channel.consume(queue, partial(self._on_request, channel), priority=self._priority)
        except AccessRefused:
            await queues.delete_unused_queue(connection, queue)
            raise
        self._connection, self._channel, self._queue = connection, channel, queue
        self._return_at = time.monotonic() + FIRST_RETURN_S
        self._delete_at = time.monotonic() + DELETE_AFTER_S
        self._has_replied = False
        return partial(self._drain_channel, channel)

    async def _drain_channel(self, channel: Channel) -> None:
        async with bounded_close():
            await channel.stop_consuming()

    async def _declare_queue(self, connection: Connection) -> str:
        """Declares a queue for the provider's requests and returns its name: the usual queue or, if its node is down,
        the reserve queue. If neither can be declared, starts to delete the reserve queue in the background, and raises
        `TimeoutError`."""
        if await queues.can_declare(connection, self._usual_queue):
            return self._usual_queue
        log.warning("queue unavailable", extra={"queue": self._usual_queue, "reserve": self._reserve_queue})
        try:
            async with asyncio.timeout(RESERVE_TIMEOUT_S), connection.temporary_channel() as channel:
                await queues.declare(channel, self._reserve_queue)
        except (TimeoutError, NotDeclared):
            self._delete_lost(connection, self._reserve_queue)
            raise TimeoutError from None
        return self._reserve_queue

    def _delete_lost(self, connection: Connection, queue: str) -> None:
        """Starts to delete in the background a queue that cannot be declared, so that a later attempt can declare it.
        Does nothing while another deletion is running."""
        # Not awaited: the broker may answer later than a probe or a start may take.
        if self._deletion is None or self._deletion.done():
            self._deletion = asyncio.create_task(queues.delete_lost_queue(connection, queue))

    async def stop_deletion(self) -> None:
        if self._deletion is not None:
            self._deletion.cancel()
            await asyncio.wait([self._deletion])

    async def _return_to_usual_queue(self, connection: Connection, channel: Channel) -> None:
        """Tries to declare the usual queue; if this succeeds, consumes the usual queue instead of the reserve queue. If
        the declaration still fails `DELETE_AFTER_S` seconds after the reserve queue came into use, starts to delete the
        usual queue."""
        self._return_at = time.monotonic() + RETURN_EVERY_S
        can_declare = await queues.can_declare(connection, self._usual_queue)
        if self._channel is not channel:
            return
        if not can_declare:
            if time.monotonic() > self._delete_at:
                self._delete_at = time.monotonic() + DELETE_AFTER_S
                self._delete_lost(connection, self._usual_queue)
        else:
            await channel.consume_instead(
                self._usual_queue, partial(self._on_request, channel), priority=self._priority
            )
            self._queue = self._usual_queue
            log.info("queue available again", extra={"queue": self._usual_queue})

    def stop(self) -> None:
        self._channel = None

    async def probe(self) -> None:
        """Checks that replies can be published. Raises `ConnectionResetError` if the request queue has no consumer.
        While the reserve queue is in use, also tries every `RETURN_EVERY_S` seconds to return to the usual queue."""
        # To check publishing, sends an unroutable message, but only after the first reply: until then the reply
        # exchange may not exist.
        channel = self._channel
        if channel is None:
            return
        if self._has_replied:
            channel.send(b"", Properties(), exchange=REPLY_EXCHANGE, routing_key="")
        if not (await channel.count(self._queue)).consumers:
            raise ConnectionResetError
        if self._queue == self._reserve_queue and time.monotonic() > self._return_at:
            await self._return_to_usual_queue(self._connection, channel)

    def _on_request(self, channel: Channel, message: Delivery) -> None:
        """Ignores a request without acknowledging it, so that the broker later delivers it to another consumer."""


class _WorkerConsumer(_Consumer):
    """Consumer of one provider's queue, which runs a handler for each request."""

    def __init__(self, provider: str, handler: Handler, concurrency: int) -> None:
        super().__init__(provider, PREFETCH_PER_SLOT * concurrency)
        self._provider = provider
        self._handler = handler
        self._slots = asyncio.Semaphore(concurrency)
        self._redelivered_lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Cancels the running handlers, which can no longer send their replies. The broker delivers their requests
        again."""
        super().stop()
        for task in self._tasks:
            task.cancel()

    async def _drain_channel(self, channel: Channel) -> None:
        """Stops consuming on a channel, and returns once the requests delivered until then have been answered."""
        await super()._drain_channel(channel)
        if tasks := tuple(self._tasks):
            await asyncio.wait(tasks)

    def _on_request(self, channel: Channel, message: Delivery) -> None:
        task = asyncio.create_task(self._work(channel, message, time.time()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, channel: Channel, message: Delivery, arrived_at: float) -> None:
        """Handles a request, sends the reply, then acknowledges the request. If the worker dies, the broker delivers
        the request once more."""
        # A redelivered request is acknowledged before it is handled, so that a request that crashes workers crashes at
        # most two of them. Redelivered requests are handled one at a time, so that such a crash loses no other request.
        asked = message.properties
        with suppress(*CONNECTION_LOST):  # the connection is gone: the caller knows, and the broker redelivers
            async with self._redelivered_lock if message.redelivered else nullcontext(), self._slots:
                if message.redelivered:
                    channel.ack(message.tag)
                    await channel.round_trip()  # the broker has the acknowledgement before the handler can crash
                left_at_send_s = asked.expires_ms / 1000
                reply = await answer(self._handler, SYSTEM, self._provider, message.body, arrived_at, left_at_send_s)
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
        """Stops consuming, waits up to `drain_s` seconds for the running handlers, then cancels those that have not
        ended."""
        channel = self._channel
        try:
            if channel is not None:
                async with bounded_close():
                    await channel.stop_consuming()
            super().stop()  # and not `self.stop`, which cancels the handlers
        finally:
            await self.stop_deletion()
            await finish_or_cancel(self._tasks, drain_s)
        if channel is not None:
            async with bounded_close():
                await channel.close()


async def check_calling(connection: Connection) -> None:
    """Checks that this process can call as a gateway does: declares a reply queue, and sends itself a message. Raises
    one of the errors in `CONNECTION_LOST` if it cannot."""
    await trial_run(connection, _PendingCalls())


async def check_serving(connection: Connection, provider: str) -> None:
    """Checks that this process can serve a provider as a worker does: consumes the provider's queue for a moment, with
    a lower priority than workers. Raises one of the errors in `CONNECTION_LOST` if it cannot."""
    # When the connection is closed, the broker redelivers to a worker any request that this check has received. If no
    # worker consumes the queue, the broker deletes it.
    consumer = _Consumer(provider, prefetch=1, priority=LOWEST_PRIORITY)
    try:
        await trial_run(connection, consumer)
    finally:
        await consumer.stop_deletion()


class _Serving:
    def __init__(self, link: Link, consumer: _WorkerConsumer) -> None:
        self._link = link
        self._consumer = consumer

    @property
    def consuming(self) -> bool:
        return self._consumer.consuming and self._link.responsive


class AmqpBus:
    """Implementation of `Bus` over a connection to RabbitMQ."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._calls: _PendingCalls | None = None

    @property
    def ready(self) -> bool:
        """Whether the broker responds and replies can arrive."""
        return self._link.responsive and (self._calls is None or self._calls.ready)

    async def call(self, provider: str, request: Request) -> Reply:
        """Sends a request to a provider and returns its reply; see `Calling.call`."""
        return await ask(self._exchange, SYSTEM, provider, request)

    async def _exchange(self, provider: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        if self._calls is None:  # not earlier: a worker never calls, and its broker user must not declare reply queues
            self._calls = _PendingCalls()
            self._link.attach(self._calls)
        if not self.ready and not await self._settles_by(deadline):
            return Failed("deadline_exceeded")
        if not self._link.responsive:
            return Failed("bus_unavailable")
        reply = await self._calls.exchange(provider, body, deadline)
        if reply == REFUSED or (reply == NOT_DEPLOYED and self._calls.has_just_answered(provider)):
            return await self._republish(self._calls, provider, body, deadline, reply)
        return reply

    async def _republish(
        self, calls: _PendingCalls, provider: str, body: bytes, deadline: Deadline, reply: bytes | Failed
    ) -> bytes | Failed:
        """Publishes a request again until a queue accepts it, for at most `REPUBLISH_WITHIN_S` seconds. Returns the
        reply or, if no queue accepts the request, the last failure. `reply` is the failure of the first attempt to
        publish."""
        give_up_at = time.monotonic() + min(REPUBLISH_WITHIN_S, deadline.left_s())
        for refusals in itertools.count():
            await asyncio.sleep(pause_s(refusals, FIRST_REPUBLISH_S, LAST_REPUBLISH_S))
            if time.monotonic() > give_up_at:
                break
            if not self.ready:
                await self._settles_by(deadline)
            reply = await calls.exchange(provider, body, deadline)
            if reply not in UNQUEUED:
                break
        return reply

    async def _settles_by(self, deadline: Deadline) -> bool:
        """Waits for the end of the present attempt to connect to the broker, if there is one. Returns False if the
        deadline passes first, else True, even if the attempt has failed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline.left_s()):
                return await self._link.settled.wait()
        return False

    @asynccontextmanager
    async def serve(
        self, provider: str, handler: Handler, *, concurrency: int, drain_s: float = 10.0
    ) -> AsyncIterator[_Serving]:
        """Handles a provider's requests while the context is open; see `Bus.serve`."""
        consumer = _WorkerConsumer(provider, handler, concurrency)
        try:
            async with self._link.holding(consumer):
                yield _Serving(self._link, consumer)
        finally:
            await consumer.drain(drain_s)


@asynccontextmanager
async def open_amqp_bus(url: str, name: str, *, max_age_s: float = math.inf) -> AsyncIterator[AmqpBus]:
    """Opens a bus, which connects in the background. Calls that are still pending when the bus is closed end with
    `bus_unavailable`."""
    async with open_link(url, name, max_age_s=max_age_s) as link:
        yield AmqpBus(link)

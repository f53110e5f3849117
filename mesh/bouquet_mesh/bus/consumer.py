"""Workers' side of the bus on RabbitMQ: consumers of the requests to one provider. While the RabbitMQ node of the usual
queue is down, the reserve queue is consumed (docs/adr/0015)."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import nullcontext, suppress
from functools import partial

from bouquet_mesh.amqp.channel import Channel, OnLost
from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.amqp.errors import CONNECTION_LOST, QUEUE_LOST, AccessRefused, NotDeclared, bounded_close
from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.amqp.link import Drain
from bouquet_mesh.amqp.trial import trial_run
from bouquet_mesh.amqp.wire import Delivery
from bouquet_mesh.bus import queues
from bouquet_mesh.bus.api import Handler, answer
from bouquet_mesh.tasks import finish_or_cancel
from bouquet_proto.names import REPLY_EXCHANGE, queue_of, reserve_queue_of

log = logging.getLogger(__name__)

SYSTEM = "rabbitmq"
"""Name of the messaging system, as recorded in OpenTelemetry spans."""
FIRST_RETURN_S = 1.0
"""Seconds after which a worker on the reserve queue first tries to return to the usual queue."""
# Soon, because the broker may only have been slow. The usual queue may then be declared after all, and accept requests
# without a consumer.
RETURN_EVERY_S = 5.0
"""Seconds between a worker's attempts to return from the reserve queue to the usual queue."""
# If the usual queue was just lost, the first attempt also waits this long.
REGISTER_EVERY_S = 5.0
"""Interval, in seconds, at which a consumer registers with the broker again."""
# After a partition of its nodes, the broker may have forgotten the consumer's queue without reporting it.
# It may then give the queue's name to another queue, in which other consumers hide the absence of this one.
RESERVE_TIMEOUT_S = 2.5
"""Longest wait, in seconds, for the declaration of a provider's reserve queue. After that, the worker deletes the
queue, and tries again later."""
DELETE_AFTER_S = 15.0
"""Seconds after which a worker on the reserve queue deletes a usual queue that it cannot declare. A later attempt can
then succeed."""
PREFETCH_PER_HANDLER = 2
"""Number of unanswered requests that a worker may hold for each handler that it can run at once."""
# With 2, one request is handled while the next one waits in the worker.
LOWEST_PRIORITY = -1
"""Consumer priority of a `doctor` command while it checks a provider's queue. The broker prefers workers, whose
priority is 0."""


class Consumer:
    """Consumer of a provider's usual queue or, while the queue's node is down, of the reserve queue. Handles no
    requests, unlike its subclass `WorkerConsumer`."""

    def __init__(self, provider: str, prefetch: int, priority: int = 0) -> None:
        self.owner = provider
        self._usual_queue = queue_of(provider)
        self._reserve_queue = reserve_queue_of(provider)
        self._queue = self._usual_queue
        self._return_at = self._delete_at = self._register_at = 0.0
        self._has_lost_usual_queue = False
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
        """Declares the provider's request queue and starts to consume it. Calls `on_lost` with the error if the channel
        or queue is lost later. Returns a function that stops consuming. Raises `AccessRefused` if the broker's user
        lacks a right."""
        # Leaves no queue behind then.
        channel = await connection.channel(partial(self._report_loss, on_lost))
        await queues.check_reply_right(connection)
        await channel.prefetch(self._prefetch)
        first_return_s = RETURN_EVERY_S if self._has_lost_usual_queue else FIRST_RETURN_S
        queue = await self._declare_queue(connection)
        try:
            await channel.consume(queue, partial(self._on_request, channel), priority=self._priority)
        except AccessRefused:
            await queues.delete_unused_queue(connection, queue)
            raise
        self._connection, self._channel, self._queue = connection, channel, queue
        self._return_at = time.monotonic() + first_return_s
        self._delete_at = time.monotonic() + DELETE_AFTER_S
        self._register_at = time.monotonic() + REGISTER_EVERY_S
        self._has_replied = False
        return partial(self._drain_channel, channel)

    def _report_loss(self, on_lost: OnLost, cause: Exception) -> None:
        """Passes the error `cause` to `on_lost`. If the usual queue is lost, the next start tries the reserve queue at
        once."""
        if isinstance(cause, QUEUE_LOST):
            self._has_lost_usual_queue = self._queue == self._usual_queue
        on_lost(cause)

    async def _drain_channel(self, channel: Channel) -> None:
        async with bounded_close():
            await channel.stop_consuming()

    async def _declare_queue(self, connection: Connection) -> str:
        """Declares the provider's usual queue, and returns its name. Declares the reserve queue instead if the usual
        queue was just lost or cannot be declared. Raises `TimeoutError` if both fail."""
        # Does not try the usual queue if that was just lost. Starts to delete a reserve queue that cannot be declared.
        # A lost queue may live on without its name as long as it has a consumer, and its end deletes the name. So all
        # consumers leave it before one of them declares its successor.
        is_lost, self._has_lost_usual_queue = self._has_lost_usual_queue, False
        if not is_lost and await queues.try_to_declare(connection, self._usual_queue):
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
        """Starts to delete, in the background, a queue that no longer works but still exists under its name. Does
        nothing while another deletion is running."""
        # Not awaited: the broker may answer later than a probe or a start may take.
        if self._deletion is None or self._deletion.done():
            self._deletion = asyncio.create_task(queues.delete_lost_queue(connection, queue))

    async def stop_deletion(self) -> None:
        if self._deletion is not None:
            self._deletion.cancel()
            await asyncio.wait([self._deletion])

    async def _return_to_usual_queue(self, connection: Connection, channel: Channel) -> None:
        """Changes from the reserve queue to the usual queue, if the usual queue can be declared again. After
        `DELETE_AFTER_S` seconds without success, starts to delete the usual queue."""
        self._return_at = time.monotonic() + RETURN_EVERY_S
        can_declare = await queues.try_to_declare(connection, self._usual_queue)
        if self._channel is not channel:
            return
        if not can_declare:
            if time.monotonic() > self._delete_at:
                self._delete_at = time.monotonic() + DELETE_AFTER_S
                self._delete_lost(connection, self._usual_queue)
        else:
            await self._register(channel, self._usual_queue)
            log.info("queue available again", extra={"queue": self._usual_queue})

    async def _register(self, channel: Channel, queue: str) -> None:
        """Registers as a consumer of `queue`, then ends the former registration. Requests that the broker delivered
        before can still be answered."""
        await channel.switch_queue(queue, partial(self._on_request, channel), priority=self._priority)
        self._queue = queue
        self._register_at = time.monotonic() + REGISTER_EVERY_S
        if self._channel is not channel:  # drained meanwhile
            await channel.stop_consuming()

    def stop(self) -> None:
        self._channel = None

    async def probe(self) -> None:
        """Checks that replies can be published, and that the request queue has a consumer. Raises
        `ConnectionResetError` if the queue has none."""
        # Also registers again as a consumer every `REGISTER_EVERY_S` seconds or, from the reserve queue, tries every
        # `RETURN_EVERY_S` seconds to return to the usual queue.
        # To check publishing, sends an unroutable message, but only after the first reply: until then the reply
        # exchange may not exist.
        channel = self._channel
        if channel is None:
            return
        if self._has_replied:
            channel.send(b"", Properties(), exchange=REPLY_EXCHANGE, routing_key="")
        if not (await channel.count(self._queue)).consumers:
            self._has_lost_usual_queue = self._queue == self._usual_queue
            raise ConnectionResetError
        if self._queue == self._reserve_queue and time.monotonic() > self._return_at:
            await self._return_to_usual_queue(self._connection, channel)
        elif time.monotonic() > self._register_at:
            await self._register(channel, self._queue)

    def _on_request(self, channel: Channel, message: Delivery) -> None:
        """Leaves a request to the workers, by not acknowledging it. `WorkerConsumer` overrides this method."""


class WorkerConsumer(Consumer):
    """Consumer of one provider's queue, which runs a handler for each request."""

    def __init__(self, provider: str, handler: Handler, concurrency: int) -> None:
        super().__init__(provider, PREFETCH_PER_HANDLER * concurrency)
        self._provider = provider
        self._handler = handler
        self._slots = asyncio.Semaphore(concurrency)
        self._redelivered_lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Cancels the running handlers, because their replies could no longer be sent. The broker delivers the requests
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
        the request once more. `arrived_at` is the time of the request's arrival, in seconds since the epoch."""
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


async def check_serving(connection: Connection, provider: str) -> None:
    """Checks that this process can serve a provider as a worker does: consumes the provider's queue for a moment, with
    a lower priority than workers. Raises one of the errors in `CONNECTION_LOST` if it cannot."""
    # When the connection is closed, the broker redelivers to a worker any request that this check has received. If no
    # worker consumes the queue, the broker deletes it.
    consumer = Consumer(provider, prefetch=1, priority=LOWEST_PRIORITY)
    try:
        await trial_run(connection, consumer)
    finally:
        await consumer.stop_deletion()

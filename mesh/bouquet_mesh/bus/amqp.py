"""The bus on RabbitMQ, over one connection per process that reconnects after any loss (docs/adr/0002).

Each provider has a durable, auto-deleted queue. While the RabbitMQ node of that queue is down, the provider's workers
use a second queue, the reserve queue; callers try both. Messages are not persistent, and expire with their deadline.
Requests are published as `mandatory` and with confirms, so that a caller learns at once if there is no worker. A
calling process has an exclusive reply queue per connection, bound to the exchange `bouquet.replies`.

There is no dead-letter queue: it would be an unattended store of identities. For the same reason, at most one request
waits in a queue: a policy of the broker refuses further ones. The calling process keeps a refused request, and
publishes it again (docs/adr/0015).
"""

from __future__ import annotations

import asyncio
import itertools
import math
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bouquet_mesh.amqp.channel import Channel, OnLost
from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.amqp.errors import MessageRefused, MessageReturned
from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.amqp.link import Drain, Link, open_link
from bouquet_mesh.amqp.trial import trial_run
from bouquet_mesh.amqp.wire import Delivery
from bouquet_mesh.backoff import pause_s
from bouquet_mesh.bus.api import Handler, PendingReply, ask, resolve
from bouquet_mesh.bus.consumer import SYSTEM, WorkerConsumer
from bouquet_mesh.observe import metrics
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Failed, Reply, Request
from bouquet_proto.names import GATEWAY_OWNER, REPLY_EXCHANGE, queue_of, reserve_queue_of

PUBLISH_TIMEOUT_S = 2.0
"""Longest wait, in seconds, until the broker confirms or refuses a request. The call fails `UNREAD_CONFIRM_S` later."""
UNREAD_CONFIRM_S = 0.25
"""Seconds in which a call whose `PUBLISH_TIMEOUT_S` has passed still reads what the broker has sent."""
# If this process stood still meanwhile, the broker's confirm may have arrived without having been read.
REPUBLISH_WITHIN_S = 4.0
"""Longest time, in seconds, for which a call goes on publishing a request that no queue accepts. After that, the call
fails."""
# A full queue does not accept it, nor does one on a failed node; or there is no queue, though the provider has just
# answered.
FIRST_REPUBLISH_S = 0.05
LAST_REPUBLISH_S = 0.4
REFUSED = Failed("provider_busy")
"""Failure of a request that the provider's queue has refused. It is safe to publish the request again, as no worker has
received it."""
NOT_DEPLOYED = Failed("not_deployed")
UNQUEUED = (REFUSED, NOT_DEPLOYED)
"""Failures of a request that is in no queue: the provider's queue has refused it, or does not exist."""
ANSWERED_WITHIN_S = 5.0
"""Seconds after its last reply for which a provider counts as deployed. During this time, calls publish their requests
again if the provider's queue is missing."""
# The provider's workers will probably declare the queue again soon.


class _PendingCalls:
    """Calls of this process that wait for a reply, each under its correlation id. All replies arrive on one reply
    queue."""

    owner = GATEWAY_OWNER

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._reply_to = ""
        self._pending: dict[str, PendingReply] = {}
        self._queues: dict[str, tuple[str, str]] = {}
        """Names of each provider's two queues, in the order in which the next call tries them. For a provider without
        an entry, the usual queue comes first."""
        self._answered_at: dict[str, float] = {}
        """Time of the last reply of each provider, in seconds by the clock `time.monotonic`."""
        metrics.CALLS_PENDING.set_function(lambda: len(self._pending))

    @property
    def ready(self) -> bool:
        """Whether this process consumes its reply queue."""
        return self._channel is not None

    async def start(self, connection: Connection, on_lost: OnLost) -> Drain:
        """Declares a new reply queue and starts to consume it. Returns a function that waits until the pending calls
        have ended. Calls `on_lost` with the error if the channel ends later."""
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
        """Waits until all calls pending now have ended. Calls that begin later do not count."""
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

    async def send_and_wait(self, provider: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        """Sends a request to a provider, and returns the body of the reply, or the failure. Tries first the queue of
        the provider's last reply, usual or reserve, then the other queue."""
        first, second = self._queues.get(provider) or (queue_of(provider), reserve_queue_of(provider))
        reply = await self._try_queue(first, body, deadline)
        if reply in UNQUEUED:
            other = await self._try_queue(second, body, deadline)
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

    async def _try_queue(self, queue: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        """Publishes a request to a queue and waits for the reply. Returns the reply's body, or a `Failed`."""
        if self._channel is None:
            return Failed("bus_unavailable")
        left_s, loop = deadline.left_s(), asyncio.get_running_loop()
        correlation_id, reply = self._expect_reply()
        late = loop.call_later(left_s, resolve, reply, Failed("deadline_exceeded"))
        no_confirm = _ConfirmTimer(loop, reply)

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


class _ConfirmTimer:
    """Timer that fails a call with `bus_unavailable` if the broker neither confirms nor refuses the request in time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, reply: PendingReply) -> None:
        self._loop = loop
        self._reply = reply
        self._timer = loop.call_later(PUBLISH_TIMEOUT_S, self._wait_for_unread_confirm)

    def cancel(self) -> None:
        self._timer.cancel()

    def _wait_for_unread_confirm(self) -> None:
        self._timer = self._loop.call_later(UNREAD_CONFIRM_S, resolve, self._reply, Failed("bus_unavailable"))


def _publish_failure(error: Exception) -> Failed:
    """Returns the failure of a call whose request could not be published because of `error`, such as `not_deployed` if
    the provider has no queue."""
    if isinstance(error, MessageRefused):
        return REFUSED
    return NOT_DEPLOYED if isinstance(error, MessageReturned) else Failed("bus_unavailable")


async def check_calling(connection: Connection) -> None:
    """Checks that this process can call as a gateway does: declares a reply queue, and sends itself a message. Raises
    one of the errors in `CONNECTION_LOST` if it cannot."""
    await trial_run(connection, _PendingCalls())


class _Serving:
    def __init__(self, link: Link, consumer: WorkerConsumer) -> None:
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
        """Sends a request to a provider and returns its reply; see `BusClient.call`."""
        return await ask(self._send_and_wait, SYSTEM, provider, request)

    async def _send_and_wait(self, provider: str, body: bytes, deadline: Deadline) -> bytes | Failed:
        if self._calls is None:  # not earlier: a worker never calls, and its broker user must not declare reply queues
            self._calls = _PendingCalls()
            self._link.attach(self._calls)
        if not self.ready and not await self._wait_until_settled(deadline):
            return Failed("deadline_exceeded")
        if not self._link.responsive:
            return Failed("bus_unavailable")
        reply = await self._calls.send_and_wait(provider, body, deadline)
        if reply == REFUSED or (reply == NOT_DEPLOYED and self._calls.has_just_answered(provider)):
            return await self._republish(self._calls, provider, body, deadline, reply)
        return reply

    async def _republish(
        self, calls: _PendingCalls, provider: str, body: bytes, deadline: Deadline, reply: bytes | Failed
    ) -> bytes | Failed:
        """Publishes a request again until a queue accepts it, for at most `REPUBLISH_WITHIN_S` seconds. Returns the
        reply, or the last failure if no queue accepts the request. `reply` is the failure of the first attempt."""
        give_up_at = time.monotonic() + min(REPUBLISH_WITHIN_S, deadline.left_s())
        for refusals in itertools.count():
            await asyncio.sleep(pause_s(refusals, FIRST_REPUBLISH_S, LAST_REPUBLISH_S))
            if time.monotonic() > give_up_at:
                break
            if not self.ready:
                await self._wait_until_settled(deadline)
            reply = await calls.send_and_wait(provider, body, deadline)
            if reply not in UNQUEUED:
                break
        return reply

    async def _wait_until_settled(self, deadline: Deadline) -> bool:
        """Waits until the present attempt to connect to the broker has ended, successfully or not. Returns False if the
        deadline passes first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline.left_s()):
                return await self._link.settled.wait()
        return False

    @asynccontextmanager
    async def serve(
        self, provider: str, handler: Handler, *, concurrency: int, drain_s: float = 10.0
    ) -> AsyncIterator[_Serving]:
        """Handles a provider's requests while the context is open; see `Bus.serve`."""
        consumer = WorkerConsumer(provider, handler, concurrency)
        try:
            async with self._link.holding(consumer):
                yield _Serving(self._link, consumer)
        finally:
            await consumer.drain(drain_s)


@asynccontextmanager
async def open_amqp_bus(url: str, name: str, *, max_age_s: float = math.inf) -> AsyncIterator[AmqpBus]:
    """Opens a bus over RabbitMQ, which connects in the background; the arguments are those of `open_bus`. Calls that
    are still pending when the bus is closed end with the failure `bus_unavailable`."""
    async with open_link(url, name, max_age_s=max_age_s) as link:
        yield AmqpBus(link)

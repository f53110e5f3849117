"""Functions that declare request queues at the broker, and delete queues that are unused or no longer work."""

from __future__ import annotations

import asyncio
import logging

from bouquet_mesh.amqp.channel import Channel
from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.amqp.errors import CONNECTION_LOST, NotDeclared, bounded_close, cancellation_as_loss
from bouquet_mesh.amqp.frames import Properties
from bouquet_proto.names import QUEUE_ARGUMENTS, REPLY_EXCHANGE

log = logging.getLogger(__name__)

DECLARE_TIMEOUT_S = 1.0
"""Longest wait, in seconds, for the declaration of a request queue. RabbitMQ 4 does not answer if the queue is on a
failed node."""
DELETE_TIMEOUT_S = 5.0
"""Longest time, in seconds, for opening a connection and deleting on it a queue that no longer works."""


async def check_reply_right(connection: Connection) -> None:
    """Raises `AccessRefused` if the broker's user may not publish replies."""
    # Publishes an unroutable message on a temporary channel, which a refusal closes.
    async with connection.temporary_channel() as channel:
        try:
            await channel.require_exchange(REPLY_EXCHANGE)
        except NotDeclared:  # no gateway has connected yet
            return
        channel.send(b"", Properties(), exchange=REPLY_EXCHANGE, routing_key="")
        await channel.round_trip()


async def try_to_declare(connection: Connection, queue: str) -> bool:
    """Tries to declare a request queue, and returns whether that succeeded. The declaration fails if the queue is on a
    node that is down."""
    channel = await connection.channel()
    try:
        async with asyncio.timeout(DECLARE_TIMEOUT_S):
            await declare(channel, queue)
    except (TimeoutError, NotDeclared):  # aiormq closes the channel
        return False
    async with bounded_close():
        await channel.close()
    return True


async def declare(channel: Channel, queue: str) -> None:
    """Declares a request queue. The broker deletes the queue when its last consumer leaves."""
    await channel.declare_queue(queue, durable=True, auto_delete=True, arguments=QUEUE_ARGUMENTS)


async def delete_unused_queue(connection: Connection, queue: str) -> None:
    """Deletes a queue. Raises `PreconditionFailed` if the queue has consumers."""
    async with connection.temporary_channel() as channel:
        await channel.delete_unused_queue(queue)


async def _is_there(connection: Connection, queue: str) -> bool:
    """Returns whether a queue exists. Also returns False if the broker does not answer within `DECLARE_TIMEOUT_S`
    seconds."""
    channel = await connection.channel()
    try:
        async with asyncio.timeout(DECLARE_TIMEOUT_S):
            await channel.count(queue)
    except (TimeoutError, NotDeclared):  # aiormq closes the channel
        return False
    return True


async def delete_lost_queue(connection: Connection, queue: str) -> None:
    """Deletes a queue that no longer works but still exists under its name, so that a queue of this name can be
    declared again. Does nothing to a queue that works."""
    # A queue no longer works once its process inside the broker has ended, for example after its node hung. On a
    # connection of its own, since RabbitMQ may fail in the deletion and then closes the connection. Not with
    # `if-empty`: RabbitMQ refuses that for a queue whose process has ended.
    try:
        with cancellation_as_loss():
            async with asyncio.timeout(DELETE_TIMEOUT_S):
                own = await connection.another()
                try:
                    if await _is_there(own, queue):  # another worker has deleted and declared it
                        return
                    await delete_unused_queue(own, queue)
                finally:
                    await own.close()
    except CONNECTION_LOST as error:
        log.warning("lost queue not deleted", extra={"queue": queue, "error": type(error).__name__})
    else:
        log.warning("lost queue deleted", extra={"queue": queue})

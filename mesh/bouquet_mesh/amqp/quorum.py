"""Check that the broker's node belongs to a majority of its cluster. A node in a minority may keep its connections
open and answer reads, but cannot declare a queue (docs/adr/0018)."""

from __future__ import annotations

import asyncio
import secrets

from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.amqp.errors import PreconditionFailed
from bouquet_proto.names import check_queue_of

CHANGE_TIMEOUT_S = 5.0
"""Longest time, in seconds, that the broker's node may take to declare and delete a queue. A slower node counts as
being in a minority of its cluster."""
# Electing a new leader of the definitions takes some 3 s.


async def has_majority(connection: Connection, owner: str) -> bool:
    """Returns whether the broker's node belongs to a majority of its cluster. As a trial, declares and deletes a queue,
    within `CHANGE_TIMEOUT_S` seconds. `owner` is the kind of process, such as `gateway`. Raises `AccessRefused` if the
    broker's user may not declare the queue, and an error in `CONNECTION_LOST` if the connection is lost."""
    # Also True if the check is impossible: the connection is blocked for lack of memory or disk, or the broker allows
    # no further queue.
    try:
        async with asyncio.timeout(CHANGE_TIMEOUT_S), connection.temporary_channel() as channel:
            queue = check_queue_of(owner, secrets.token_hex(8))
            await channel.declare_queue(queue, exclusive=True, auto_delete=True)
            await channel.delete_unused_queue(queue)
    except TimeoutError:
        return await connection.is_blocked()
    except PreconditionFailed:
        return True
    return True

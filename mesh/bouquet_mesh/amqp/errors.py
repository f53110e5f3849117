"""Errors of a connection to the broker, under names that do not depend on the client library."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionClosed,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

CLOSE_TIMEOUT_S = 2.5

CONNECTION_LOST = (*CONNECTION_EXCEPTIONS, AMQPError, OSError, TimeoutError, RuntimeError)
"""Exceptions for a lost connection, or for an operation that the broker refused. A refusal also closes the channel."""
# aiormq raises `RuntimeError` for a closed connection.

AccessRefused = ChannelAccessRefused
"""Error for an operation to which the process's RabbitMQ user has no right. The broker also closes the channel."""

NotDeclared = ChannelNotFoundEntity
"""Error for a queue or exchange that does not exist. The broker also closes the channel."""

PreconditionFailed = ChannelPreconditionFailed
"""Error for a queue that is in use, or that exists with other options. The broker also closes the channel."""


class ConsumerCancelled(AMQPError):
    """Error for a consumer that the broker has cancelled. The consumer's queue was deleted, or the queue's node was
    lost."""


QUEUE_LOST = (NotDeclared, ConsumerCancelled)
"""Exceptions that tell a consumer that its queue no longer exists or no longer works. The connection may still be
open."""

BAD_CREDENTIALS = (AuthenticationError, ProbableAuthenticationError)
"""Exceptions that mean that the user or the password is wrong."""

BAD_VHOST = (ConnectionNotAllowed, ConnectionClosed, InvalidFrameError)
"""Exceptions that aiormq raises if the virtual host does not exist, or if the user may not use it."""
# aiormq raises `InvalidFrameError` because it cannot parse the broker's refusal.

_MISSING_RIGHT = re.compile(r"((?:\w+ )?access to \w+) '(.+?)(?:\.[0-9a-f]{16})?' in vhost")
"""Pattern of a missing right in the broker's error text, such as `write access to exchange 'bouquet.replies' in vhost`.
Captures the right and the name of the exchange or queue, without the name's random suffix."""


class MessageReturned(AMQPError):
    """Error for a message that the broker returned because no queue receives it."""


class MessageRefused(AMQPError):
    """Error for a message that the broker refused, for example because the queue is full."""


def missing_right(error: BaseException) -> str:
    """Returns the right that the broker's user lacks according to `error`, such as `write access to exchange
    bouquet.replies`. Returns "" if `error` does not report a missing right."""
    found = _MISSING_RIGHT.search(str(error)) if isinstance(error, AccessRefused) else None
    return " ".join(found.groups()) if found else ""


@contextmanager
def cancellation_as_loss() -> Iterator[None]:
    """Context manager for code that waits on a channel. Raises `ConnectionResetError` if the channel is lost."""
    # aiormq reports the loss by cancelling the task. Any other cancellation stays a `CancelledError`.
    # When aiormq closes a channel, it raises `CancelledError` in the tasks that wait on the channel.
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionResetError from None


@asynccontextmanager
async def bounded_close() -> AsyncIterator[None]:
    """Runs the enclosed block, which closes a channel or connection, for at most `CLOSE_TIMEOUT_S` seconds. Suppresses
    the timeout and the errors in `CONNECTION_LOST`."""
    with suppress(*CONNECTION_LOST), cancellation_as_loss():
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            yield

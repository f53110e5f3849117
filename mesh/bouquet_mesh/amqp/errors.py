"""Errors of a connection to the broker, by names that do not depend on the client library."""

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
    ConnectionClosed,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

CLOSE_TIMEOUT_S = 2.5

LOST = (*CONNECTION_EXCEPTIONS, AMQPError, OSError, TimeoutError, RuntimeError)
"""Errors of a lost connection, whichever layer notices first (aiormq raises RuntimeError for a closed one)."""

AccessRefused = ChannelAccessRefused
"""The broker's user lacks a right. Ends the channel."""

NotDeclared = ChannelNotFoundEntity
"""There is no queue or exchange of that name. Ends the channel."""

BAD_CREDENTIALS = (AuthenticationError, ProbableAuthenticationError)

BAD_VHOST = (ConnectionNotAllowed, ConnectionClosed, InvalidFrameError)
"""aiormq cannot read the broker's refusal of a vhost, hence the last one."""

_RIGHT = re.compile(r"((?:\w+ )?access to \w+) '(.+?)(?:\.[0-9a-f]{16})?' in vhost")
"""The broker's words to a user without a right. Reply queues have other names each time."""


class Returned(AMQPError):
    """No queue took a message that had to go to one."""


class Refused(AMQPError):
    """The broker could not keep a message."""


def refused_right(error: BaseException) -> str:
    """Which right the broker's user lacks: `write access to exchange bouquet.replies`. Empty if that is not it."""
    found = _RIGHT.search(str(error)) if isinstance(error, AccessRefused) else None
    return " ".join(found.groups()) if found else ""


@contextmanager
def cancellation_as_loss() -> Iterator[None]:
    """Raises `ConnectionResetError` for a cancellation that nobody ordered: aiormq may wake those who wait on what it
    closes with `CancelledError`."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionResetError from None


@asynccontextmanager
async def leaving() -> AsyncIterator[None]:
    """Bounds the closing of a channel or connection by `CLOSE_TIMEOUT_S`, and ignores a broker that has gone."""
    with suppress(*LOST), cancellation_as_loss():
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            yield

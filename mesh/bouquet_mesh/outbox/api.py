"""The outbox is two verbs beside the bus's own: `send` and `collect`. It carries what must not be lost: the journal.

A record is the sender's until `send` returns, and the outbox's until the batch that it came in is done. It may come
twice, never not at all; no order is promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol, TypeVar

T = TypeVar("T")

MOST = 500
WAIT_S = 0.2


class NotSent(Exception):
    """The broker did not confirm them all: some may have gone. They are still the sender's, to send again whole."""


class Batch:
    """Records that were collected together. Not done, they come again: here or to another collector."""

    def __init__(self, bodies: tuple[bytes, ...], acknowledge: Callable[[], Awaitable[None]]) -> None:
        self.bodies = bodies
        self.is_done = False
        self._acknowledge = acknowledge

    async def done(self) -> None:
        """They need not come again. Never raises for a broker that has gone: then they come again all the same."""
        if not self.is_done:
            self.is_done = True
            await self._acknowledge()


class Outbox(Protocol):
    @property
    def connected(self) -> bool:
        """Whether records can go and come now."""

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Returns once every body is safe with somebody else. Raises `NotSent`, within ten seconds at the latest."""

    def collect(self, *, most: int = MOST, wait_s: float = WAIT_S) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Batches without end, through any loss of the broker: of `most` records, or of what came within `wait_s` of
        the first one. A batch that is not done is the next one too.

        Leaving the context gives back what is not done.
        """


async def gather(gathered: list[T], waiting: asyncio.Queue[T], most: int, wait_s: float) -> None:
    """Moves what waits, from its first item on, until there are `most` or `wait_s` has passed.

    Into the caller's own list, so that a cancelled caller still knows what it holds.
    """
    gathered.append(await waiting.get())
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while len(gathered) < most:
                gathered.append(await waiting.get())

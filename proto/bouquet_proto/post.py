"""The post is two verbs beside the bus's own: `post` and `collect`. It carries what must not be lost: the journal.

A record is the sender's until `post` returns, and the post's until the batch that it came in is done. It may come
twice, never not at all; no order is promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol, TypeVar

from bouquet_proto.settings import is_embedded

T = TypeVar("T")

MOST = 500
WAIT_S = 0.2


class NotPosted(Exception):
    """The broker did not confirm them all: some may have gone. They are still the sender's, to post again whole."""


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


class Post(Protocol):
    @property
    def connected(self) -> bool:
        """Whether records can go and come now."""

    async def post(self, bodies: Sequence[bytes]) -> None:
        """Returns once every body is safe with somebody else. Raises `NotPosted`, within ten seconds at the latest."""

    def collect(self, *, most: int = MOST, wait_s: float = WAIT_S) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Batches without end, through any loss of the broker: of `most` records, or of what came within `wait_s` of
        the first one. A batch that is not done is the next one too.

        Leaving the context gives back what is not done.
        """


@asynccontextmanager
async def open_post(url: str, name: str) -> AsyncIterator[Post]:
    """The transport that `url` names, as `open_bus`: both ends of `memory:` must share what this gives."""
    if is_embedded(url):
        from bouquet_proto.post_memory import MemoryPost

        yield MemoryPost()
    else:
        from bouquet_proto.post_amqp import open_amqp_post

        async with open_amqp_post(url, name) as post:
            yield post


async def gather(gathered: list[T], waiting: asyncio.Queue[T], most: int, wait_s: float) -> None:
    """Moves what waits, from its first item on, until there are `most` or `wait_s` has passed.

    Into the caller's own list, so that a cancelled caller still knows what it holds.
    """
    gathered.append(await waiting.get())
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while len(gathered) < most:
                gathered.append(await waiting.get())

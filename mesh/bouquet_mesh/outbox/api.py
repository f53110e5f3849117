"""Interface of the outbox, `send` and `collect`, by which gateways deliver the journal's records to the registry. A
record may arrive twice, and records in any order, but none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol, TypeVar

T = TypeVar("T")

MAX_BATCH_RECORDS = 500
BATCH_WAIT_S = 0.2
"""Longest wait, in seconds, for further records of a batch after its first one."""


class NotSent(Exception):
    """Error for records of which not all were confirmed. The sender must send all again."""


class Batch:
    """Encoded records collected together. They may be delivered again until `done` is called."""

    def __init__(self, bodies: tuple[bytes, ...], acknowledge: Callable[[], Awaitable[None]]) -> None:
        self.bodies = bodies
        self.is_done = False
        self._acknowledge = acknowledge

    async def done(self) -> None:
        """Acknowledges the batch. Does not raise for a lost broker, which delivers the records again."""
        if not self.is_done:
            self.is_done = True
            await self._acknowledge()


class Outbox(Protocol):
    """Durable queue of encoded records from gateways to the registry."""

    @property
    def connected(self) -> bool:
        """Whether records can be sent and collected now."""

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Sends records, and returns once the outbox has stored all of them. Raises `NotSent` otherwise, within ten
        seconds."""

    def collect(
        self, *, max_records: int = MAX_BATCH_RECORDS, max_wait_s: float = BATCH_WAIT_S
    ) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Yields batches without end, of at most `max_records`, or up to `max_wait_s` after the first record. A
        batch is yielded again until its `done` has been called."""
        # Leaving the context puts the records of an unfinished batch back into the outbox.


async def gather_batch(batch: list[T], waiting: asyncio.Queue[T], max_records: int, max_wait_s: float) -> None:
    """Waits for an item, then moves items from `waiting` to `batch` until it has `max_records` or `max_wait_s` has
    passed."""
    # The caller owns the list `batch`, and so still has the items if this wait is cancelled.
    batch.append(await waiting.get())
    with suppress(TimeoutError):
        async with asyncio.timeout(max_wait_s):
            while len(batch) < max_records:
                batch.append(await waiting.get())

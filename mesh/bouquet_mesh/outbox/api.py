"""Interface of the outbox, by which gateways deliver the journal's records to the registry. No record is lost, but
one may arrive twice or out of order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol, TypeVar

T = TypeVar("T")

MAX_BATCH_RECORDS = 500


class NotSent(Exception):
    """Error raised when the outbox has not confirmed all records of one `send`. The sender must send all of them
    again."""


class Batch:
    """Encoded records collected together. Until `done` is called, the outbox may deliver the same records again."""

    def __init__(self, bodies: tuple[bytes, ...], acknowledge: Callable[[], Awaitable[None]]) -> None:
        self.bodies = bodies
        self.is_done = False
        self._acknowledge = acknowledge

    async def done(self) -> None:
        """Acknowledges the batch. If the connection to the broker is lost before the acknowledgement arrives, the batch
        is delivered again."""
        if not self.is_done:
            self.is_done = True
            await self._acknowledge()


class Outbox(Protocol):
    """Durable queue of encoded records from gateways to the registry."""

    @property
    def connected(self) -> bool:
        """Whether records can be sent and collected now."""

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Sends records, and returns once the outbox has stored them. Raises `NotSent` within ten seconds if that
        fails."""

    def collect(
        self, *, max_records: int = MAX_BATCH_RECORDS, max_wait_s: float = ...
    ) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Yields batches without end. A batch is yielded again until its `done` is called. A batch is complete at
        `max_records` records, or `max_wait_s` after its first record."""
        # Leaving the context puts the records of an unfinished batch back into the outbox.


async def gather_batch(batch: list[T], waiting: asyncio.Queue[T], max_records: int, max_wait_s: float) -> None:
    """Waits for a first item, however long it takes, then moves it and later items from `waiting` to `batch`. Stops
    when `batch` has `max_records` items, or `max_wait_s` seconds after the first item."""
    # The caller owns the list `batch`, and so still has the items if this wait is cancelled.
    batch.append(await waiting.get())
    with suppress(TimeoutError):
        async with asyncio.timeout(max_wait_s):
            while len(batch) < max_records:
                batch.append(await waiting.get())

"""Interface of the outbox, the queue by which gateways send the access journal's records to the registry. No record is
lost, but a record may arrive twice or out of order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol, TypeVar

T = TypeVar("T")

MAX_BATCH_RECORDS = 500


class NotSent(Exception):
    """Error raised if the broker has not confirmed all records of one `Outbox.send`. The sender must send all records
    again."""


class Batch:
    """Batch of encoded journal records. `Outbox.collect` yields the same batch again until its `done` has been
    called."""

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
    """Durable queue of encoded journal records from gateways to the registry."""

    @property
    def connected(self) -> bool:
        """Whether records can be sent and collected now."""

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Sends records, and returns once the outbox has stored all of them. Raises `NotSent` after ten seconds."""

    def collect(
        self, *, max_records: int = MAX_BATCH_RECORDS, max_wait_s: float = ...
    ) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Opens an endless iterator over batches of records. A batch ends at `max_records` records, or `max_wait_s`
        seconds after its first record. The iterator yields the same batch again until the batch's `done` has been
        called."""
        # Leaving the context puts the records of an unfinished batch back into the outbox.


async def gather_batch(batch: list[T], waiting: asyncio.Queue[T], max_records: int, max_wait_s: float) -> None:
    """Moves items from the queue `waiting` to the list `batch`. Waits without limit for the first item. Ends once
    `batch` has `max_records` items, or `max_wait_s` seconds after the first item."""
    # The caller owns the list `batch`, and so still has the items if this wait is cancelled.
    batch.append(await waiting.get())
    with suppress(TimeoutError):
        async with asyncio.timeout(max_wait_s):
            while len(batch) < max_records:
                batch.append(await waiting.get())

"""The outbox (queue of journal records) in the memory of one process, without a broker."""
# The sender keeps records until a collector is done with them, so none is lost if the process is killed.

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from msgspec import Struct

from bouquet_mesh.outbox.api import MAX_BATCH_RECORDS, Batch, NotSent, gather_batch

SEND_TIMEOUT_S = 10.0
BATCH_WAIT_S = 0.2
"""Longest time, in seconds, to wait for further records after the first record of a batch."""
# Short, because senders wait until the batch is acknowledged.


class _Record(Struct, frozen=True, eq=False):
    body: bytes
    collected: asyncio.Future[None]
    """Future that is done once a collector has acknowledged the record."""

    def mark_collected(self) -> None:
        if not self.collected.done():
            self.collected.set_result(None)


class MemoryOutbox:
    """Outbox (queue of journal records) within one process. Each record goes to one collector."""

    connected = True

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[_Record] = asyncio.Queue()

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Sends records, and returns once a collector has acknowledged them all; see `Outbox.send`."""
        loop = asyncio.get_running_loop()
        records = [_Record(bytes(body), loop.create_future()) for body in bodies]
        for record in records:
            self._waiting.put_nowait(record)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await asyncio.gather(*(record.collected for record in records))
        except TimeoutError:
            raise NotSent("no collector") from None
        finally:
            for record in records:
                record.collected.cancel()
            self._drop_collected()

    @asynccontextmanager
    async def collect(
        self, *, max_records: int = MAX_BATCH_RECORDS, max_wait_s: float = BATCH_WAIT_S
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        """Yields an endless iterator over batches of records; see `Outbox.collect`."""
        held: list[_Record] = []
        try:
            async with aclosing(self._batches(held, max_records, max_wait_s)) as batches:
                yield batches
        finally:
            for record in held:
                self._waiting.put_nowait(record)
            self._drop_collected()

    async def _batches(self, held: list[_Record], max_records: int, max_wait_s: float) -> AsyncGenerator[Batch]:
        async def acknowledge() -> None:
            for record in held:
                record.mark_collected()
            held.clear()

        while True:
            await gather_batch(held, self._waiting, max_records, max_wait_s)
            batch = Batch(tuple(record.body for record in held), acknowledge)
            while not batch.is_done:
                yield batch

    def _drop_collected(self) -> None:
        for _ in range(self._waiting.qsize()):
            record = self._waiting.get_nowait()
            if not record.collected.done():
                self._waiting.put_nowait(record)

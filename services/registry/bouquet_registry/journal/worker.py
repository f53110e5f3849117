"""Writer of the access journal and of its roll-ups (tables of counts). Takes records from the outbox (a durable queue),
writes them to the database, then acknowledges them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from bouquet_mesh.backoff import pause_s
from bouquet_mesh.observe import logs
from bouquet_mesh.outbox.api import Batch, Outbox
from bouquet_mesh.tasks import alongside
from bouquet_registry import metrics
from bouquet_registry.journal import retention, rollups, writer
from bouquet_registry.journal.access_metrics import AccessCounter
from bouquet_registry.journal.writer import ParsedBatch
from bouquet_registry.store import Store

log = logging.getLogger(__name__)

WRITE_TIMEOUT_S = 30.0
"""Longest time, in seconds, for one attempt to write a batch of journal records."""
FIRST_PAUSE_S = 0.2
"""Pause, in seconds, before a failed write is repeated for the first time. Each further failure doubles the pause, up
to `LAST_PAUSE_S`."""
# Each pause is shortened at random, by at most half.
LAST_PAUSE_S = 5.0
"""Longest pause, in seconds, before a failed write is repeated."""


class JournalWriter:
    """Background task that writes batches of records from the outbox (the queue from gateways) to the access
    journal."""

    def __init__(self, outbox: Outbox, store: Store, batches: AsyncIterator[Batch]) -> None:
        self._outbox = outbox
        self._store = store
        self._usage = AccessCounter()
        self._work = asyncio.create_task(self._keep_writing(batches))

    @property
    def writing(self) -> bool:
        """Whether the writer is running and connected to the outbox. If not, new records wait in the outbox."""
        return self._outbox.connected and not self._work.done()

    async def stop(self) -> None:
        """Stops writing. Batches that were not written remain in the outbox, which delivers them again later."""
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)

    async def _keep_writing(self, batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            await self._write(batch.bodies)
            await batch.done()

    async def _write(self, bodies: Sequence[bytes]) -> None:
        """Writes encoded records to the journal. After a failure, tries again until it succeeds."""
        batch = writer.parse_records(bodies)
        failures = 0
        while not await self._try_write(batch):
            await asyncio.sleep(pause_s(failures, FIRST_PAUSE_S, LAST_PAUSE_S))
            failures += 1

    async def _try_write(self, batch: ParsedBatch) -> bool:
        """Tries to write a batch to the journal, and returns whether it is written. Logs an error if not."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                written = await writer.write(self._store, batch)
        except Exception as error:  # whatever it is: no trouble is a reason to lose records, or to stop for good
            facts = {"error": type(error).__name__, "at": logs.raised_at(error), "records": len(batch.accesses)}
            log.error("journal write failed, will retry", extra=facts)
            return False
        metrics.JOURNAL_BATCH_SECONDS.observe(time.perf_counter() - began)
        metrics.JOURNAL_RECORDS.labels("written").inc(written.records)
        metrics.JOURNAL_RECORDS.labels("duplicate").inc(written.duplicates)
        self._usage.count(batch.accesses)
        if batch.accesses:
            metrics.JOURNAL_NEWEST.set(max(access.at for access in batch.accesses))
        for body in batch.aside:
            log.error("unreadable journal record put aside", extra={"size_bytes": len(body)})
            metrics.JOURNAL_RECORDS.labels("aside").inc()
        return True


@asynccontextmanager
async def writing(outbox: Outbox, store: Store, keep_months: int = 0) -> AsyncIterator[JournalWriter]:
    """Runs the journal's writer, and the task that counts the records for the roll-ups (tables of counts), until the
    context ends. If `keep_months` is not 0, also removes the records that are older than this number of months."""
    async with AsyncExitStack() as stack:
        batches = await stack.enter_async_context(outbox.collect())
        if keep_months:
            await stack.enter_async_context(alongside(retention.prune_periodically(store, keep_months)))
        journal_writer = JournalWriter(outbox, store, batches)
        rolling_up = asyncio.create_task(rollups.keep_rolling_up(store))
        try:
            yield journal_writer
        finally:
            rolling_up.cancel()
            await asyncio.gather(rolling_up, return_exceptions=True)
            await journal_writer.stop()

"""Sending of the access journal's records from the spool, a folder on disk, to the outbox, the queue to the
registry."""
# A file of the spool (segment) is deleted once the outbox has confirmed its records.

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bouquet_gateway import metrics
from bouquet_gateway.journal.spool import Spool, records_in
from bouquet_mesh.outbox.api import MAX_BATCH_RECORDS, NotSent, Outbox
from bouquet_mesh.tasks import alongside

log = logging.getLogger(__name__)

PAUSE_S = 0.25
"""Seconds between checks for new records while the spool is empty."""
RETRY_S = 1.0
"""Seconds after which records that the broker has not confirmed are sent again."""
ADOPT_S = 30.0
"""Seconds between two searches for unsent records that ended processes have left on disk."""
LAST_ROUND_S = 2.0
"""Seconds for which a stopping gateway tries to send its last records."""


@asynccontextmanager
async def sending(spool: Spool, outbox: Outbox) -> AsyncIterator[None]:
    """Sends records from the spool (a folder on disk) to `outbox`, the queue to the registry, while the context is
    open. At the context's end, tries to send the records that are left."""
    sender = _Sender(spool, outbox)
    try:
        async with alongside(sender.run()):
            yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_ROUND_S):
                await sender.send_all()


class _Sender:
    def __init__(self, spool: Spool, outbox: Outbox) -> None:
        self._spool = spool
        self._outbox = outbox
        self._is_interrupted = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        adopt_at = loop.time() + ADOPT_S
        while True:
            try:
                await self.send_all()
                if loop.time() >= adopt_at:
                    self._spool.adopt()
                    adopt_at = loop.time() + ADOPT_S
            except OSError as error:
                log.error("journal spool unreadable", extra={"error": type(error).__name__})
            await asyncio.sleep(PAUSE_S)

    async def send_all(self) -> None:
        while (segment := self._spool.next_segment()) is not None:
            records = records_in(segment)
            for start in range(0, len(records), MAX_BATCH_RECORDS):
                await self._send(records[start : start + MAX_BATCH_RECORDS])
            self._spool.forget(segment)

    async def _send(self, records: list[bytes]) -> None:
        while True:
            try:
                await self._outbox.send(records)
            except NotSent as error:
                metrics.JOURNAL_SEND_FAILURES.inc()
                if not self._is_interrupted:
                    log.warning("journal sending interrupted", extra={"error": str(error)})
                self._is_interrupted = True
                await asyncio.sleep(RETRY_S)
            else:
                break
        metrics.JOURNAL_SENT.inc(len(records))
        if self._is_interrupted:
            log.info("journal sending resumed")
        self._is_interrupted = False

"""From the spool to the outbox: a segment is forgotten once every record of it is confirmed."""

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
"""Between two looks at an empty spool; how long a record waits at least."""
RETRY_S = 1.0
ADOPT_S = 30.0
LAST_ROUND_S = 2.0
"""How long a stopping gateway tries to send what is left; after that its next life does."""


@asynccontextmanager
async def sending(spool: Spool, outbox: Outbox) -> AsyncIterator[None]:
    """Sends what comes into the spool for the life of the context."""
    sender = _Sender(spool, outbox)
    try:
        async with alongside(sender.work()):
            yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_ROUND_S):
                await sender.empty()


class _Sender:
    def __init__(self, spool: Spool, outbox: Outbox) -> None:
        self._spool = spool
        self._outbox = outbox
        self._is_held_up = False

    async def work(self) -> None:
        """Never ends by itself."""
        loop = asyncio.get_running_loop()
        adopt_at = loop.time() + ADOPT_S
        while True:
            try:
                await self.empty()
                if loop.time() >= adopt_at:
                    self._spool.adopt()
                    adopt_at = loop.time() + ADOPT_S
            except OSError as error:
                log.error("journal spool unreadable", extra={"error": type(error).__name__})
            await asyncio.sleep(PAUSE_S)

    async def empty(self) -> None:
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
                metrics.JOURNAL_HOLD_UPS.inc()
                if not self._is_held_up:
                    log.warning("journal held up", extra={"error": str(error)})
                self._is_held_up = True
                await asyncio.sleep(RETRY_S)
            else:
                break
        metrics.JOURNAL_SENT.inc(len(records))
        if self._is_held_up:
            log.info("journal goes on")
        self._is_held_up = False

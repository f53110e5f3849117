"""A collector of the access records that gateways send to an outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from bouquet_mesh.outbox.api import MAX_BATCH_RECORDS, Outbox
from bouquet_mesh.tasks import alongside
from tests.support.waiting import until


class CollectedRecords:
    """Encoded access records (`bodies`) that a collector has received."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def until_collected(self, bodies: Iterable[bytes]) -> None:
        wanted = set(bodies)
        await until(lambda: wanted.issubset(self.bodies))


@asynccontextmanager
async def collecting(
    outbox: Outbox, *, most: int = MAX_BATCH_RECORDS, wait_s: float = 0.02
) -> AsyncIterator[CollectedRecords]:
    """Collects the access records sent to an outbox until the end of the context. Yields the collection, which grows
    meanwhile."""
    archive = CollectedRecords()
    async with alongside(_collect(outbox, archive, most, wait_s)):
        yield archive


async def _collect(outbox: Outbox, archive: CollectedRecords, most: int, wait_s: float) -> None:
    async with outbox.collect(max_records=most, max_wait_s=wait_s) as batches:
        async for batch in batches:
            archive.bodies.extend(batch.bodies)
            await batch.done()

"""A mesh in the tests' process whose gateway records accesses in a journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_mesh.pseudonym import Key
from bouquet_mesh.secret import Secret
from bouquet_proto import access_record
from bouquet_proto.access_record import Access
from tests.support.mesh import Mesh, mesh
from tests.support.outbox_collector import CollectedRecords, collecting
from tests.support.waiting import until

KEY = Key("2026", Secret("the key that names the people of the tests"))
"""Key with which the gateway makes pseudonyms of persons in access records."""


def journal_settings(folder: Path, **more: Any) -> dict[str, Any]:
    """Returns gateway settings that turn the journal on. Unsent records wait in `folder` (the spool)."""
    own = {
        "journal": True,
        "journal_key": Secret(f"{KEY.name}:{KEY.secret.reveal()}"),
        "journal_spool": str(folder),
    }
    return own | more


class MeshWithJournal(Mesh):
    """A mesh whose gateway keeps a journal, together with the access records that this gateway has sent."""

    archive: CollectedRecords

    async def records(self, count: int) -> list[Access]:
        """Waits until the gateway has sent at least `count` records. Returns all records sent so far, in the order of
        the times of their calls."""
        await until(lambda: len(self.archive.bodies) >= count)
        return sorted(map(access_record.decode, self.archive.bodies), key=lambda access: access.at)

    async def record(self) -> Access:
        """Waits until the gateway has sent a record, then returns it and forgets it. Fails if more than one has arrived
        since the last such wait."""
        await until(lambda: bool(self.archive.bodies))
        [access] = await self.records(1)
        self.archive.bodies.clear()
        return access


@asynccontextmanager
async def mesh_with_journal(folder: Path, **options: Any) -> AsyncIterator[MeshWithJournal]:
    """Yields a mesh whose gateway has a journal; unsent records wait in `folder`."""
    outbox = MemoryOutbox()
    async with collecting(outbox) as archive, mesh(outbox=outbox, **journal_settings(folder, **options)) as client:
        parts = (client.gateway, client.simulators, client.workers_bus, client.clock, client.upstreams)
        made = MeshWithJournal(client.session, client.url, *parts)
        made.archive = archive
        yield made


def spooled_records(folder: Path) -> list[bytes]:
    """Returns the unsent records in all spool folders below `folder`."""
    return [line for segment in spool_segments(folder) for line in segment.read_bytes().splitlines()]


def spool_segments(folder: Path) -> Iterator[Path]:
    """Returns the spool files (segments) in all spool folders below `folder`."""
    return folder.glob("*/*.jsonl")

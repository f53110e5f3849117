"""Costs to write, store, verify, roll up and find one record of the access journal."""

from __future__ import annotations

import secrets
import time
import uuid
from statistics import median

from bench.capacity.database import Database, Opened, opened
from bench.capacity.figure import Figure, awaited_cpu_us
from bench.lookup import RECIPIENT, REQUEST_ID
from bouquet_mesh.outbox.api import MAX_BATCH_RECORDS
from bouquet_proto.access_record import Access, encode
from bouquet_proto.quotient_familial import OPERATION
from bouquet_registry.journal import queries, writer
from bouquet_registry.journal.audit import verify
from bouquet_registry.journal.rollups import roll_up
from bouquet_registry.journal.writer import ParsedBatch

ROWS = 30_000
MONTH_S = 30 * 24 * 3600
BEGAN = 1.8e9
PAGE, PAGES = 50, 50
"""Number of calls on a page of the internal API, and number of pages that are timed."""
HABILITATIONS = [str(uuid.uuid4()) for _ in range(500)]


async def figures(database: Database) -> list[Figure]:
    async with opened(database) as place:
        empty = await place.size_bytes()
        began = time.perf_counter()
        written_us = await _written_us(place)
        elapsed_s = time.perf_counter() - began
        kept = (await place.size_bytes() - empty) / ROWS
        server = database.server
        verified_us = await awaited_cpu_us(lambda: verify(place.store), 1, server) / ROWS
        rolled_up_us = await awaited_cpu_us(lambda: roll_up(place.store), 1, server) / ROWS
        page_ms, longest_ms = [await _page_ms(place, outcome) for outcome in ("found", "failed")]
        found_us = await awaited_cpu_us(lambda: _who_read(place), 200, server)
    name = f"journal record, {database.name}"
    return [
        Figure(name, "in the spool and on the bus", float(len(encode(_access(1))) + 1), "bytes"),
        Figure(name, "kept, with its indexes", kept, "bytes"),
        Figure(name, f"written, in batches of {MAX_BATCH_RECORDS}", written_us, "µs"),
        Figure(name, "written by one writer", ROWS / elapsed_s, "/s"),
        Figure(name, "verified", verified_us, "µs"),
        Figure(name, "counted in the roll-ups", rolled_up_us, "µs"),
        Figure(name, f"found by one pseudonym, of {ROWS:,}", found_us, "µs"),
        Figure(name, f"page of {PAGE} calls of one habilitation, elapsed", page_ms, "ms"),
        Figure(name, f"the same with {queries.MAX_EXAMINED:,} records examined, none found", longest_ms, "ms"),
    ]


async def _written_us(place: Opened) -> float:
    batches = [
        ParsedBatch([_access(first + n) for n in range(MAX_BATCH_RECORDS)], [])
        for first in range(0, ROWS, MAX_BATCH_RECORDS)
    ]
    left = iter(batches)
    return (
        await awaited_cpu_us(lambda: writer.write(place.store, next(left)), len(batches), place.database.server)
        / MAX_BATCH_RECORDS
    )


async def _page_ms(place: Opened, outcome: str) -> float:
    """Returns the median time of a page of the busiest habilitation's calls that had this outcome."""
    times = []
    for _ in range(PAGES):
        began = time.perf_counter()
        async with place.store.reading() as connection:
            await queries.calls(
                connection,
                equal={"habilitation": HABILITATIONS[0], "outcome": outcome},
                since=None,
                until=None,
                after=None,
                limit=PAGE,
            )
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


async def _who_read(place: Opened) -> None:
    async with place.store.reading() as connection:
        await queries.who_read(connection, {secrets.token_hex(32): ()})


def _access(number: int) -> Access:
    return Access(
        id=str(uuid.uuid4()),
        at=BEGAN + number * MONTH_S / ROWS,
        outcome="found",
        status=200,
        operation=OPERATION.id,
        habilitation=HABILITATIONS[number // 2 % len(HABILITATIONS) if number % 2 else 0],  # the first is busy
        token=REQUEST_ID,
        recipient=RECIPIENT,
        provider="cnaf",
        regime="cnaf",
        duration_ms=212.4,
        trace_id=secrets.token_hex(16),
        person=secrets.token_hex(32),
        key="2026",
    )

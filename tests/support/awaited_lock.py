"""Waiting for a process that waits for a lock of PostgreSQL."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from bouquet_registry.store import Store
from tests.support.waiting import until


async def until_lock_is_awaited(store: Store, table: str) -> None:
    """Returns once PostgreSQL makes a process wait for a lock on a table."""
    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_class ON relation = pg_class.oid WHERE NOT granted AND relname = :table"
    ).bindparams(table=table)
    seen = 0

    async def look() -> None:
        nonlocal seen
        while not seen:
            async with store.reading() as connection:
                seen = (await connection.execute(waiting)).scalar_one()
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        await until(lambda: seen > 0)

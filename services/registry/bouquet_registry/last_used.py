"""Times at which tokens were last used. The registry notes the time when a gateway asks about a token, and writes it to
the database later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from itertools import islice

from sqlalchemy import Table, Update, bindparam, update
from sqlalchemy.exc import SQLAlchemyError

from bouquet_registry.schema import editor_tokens, tokens
from bouquet_registry.store import Store
from bouquet_registry.transactions import lock_log

log = logging.getLogger(__name__)

WRITE_INTERVAL_S = 5.0
"""Seconds between two writes of the times of tokens' last use to the database."""
MAX_ROWS_PER_TRANSACTION = 1000
"""Largest number of tokens whose times of last use are written in one transaction."""
# There is a limit because a revocation may have to wait until the transaction ends.


def _update(table: Table) -> Update:
    later = table.c.last_used_at.is_(None) | (table.c.last_used_at < bindparam("used_at"))
    return update(table).where(table.c.id == bindparam("token"), later).values(last_used_at=bindparam("used_at"))


UPDATE_LAST_USED = tuple(map(_update, (tokens, editor_tokens)))
"""SQL statements that set the time of a token's last use: one for tokens of habilitations, one for tokens of
editors."""


class LastUses:
    """Times at which tokens were last used, kept in memory until they are written to the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unwritten: dict[str, datetime] = {}

    def note(self, token: str, at: datetime) -> None:
        self._unwritten[token] = at

    async def keep_writing(self) -> None:
        """Writes the noted times of tokens' last uses to the database every `WRITE_INTERVAL_S` seconds, until
        cancelled."""
        while True:
            await asyncio.sleep(WRITE_INTERVAL_S)
            await self.write()

    async def write(self) -> None:
        """Writes the noted times of tokens' last uses to the database. If the database is unavailable, logs a warning
        and keeps the times for the next write."""
        while some := dict(islice(self._unwritten.items(), MAX_ROWS_PER_TRANSACTION)):
            try:
                await self._write(some)
            except (SQLAlchemyError, OSError) as error:
                log.warning(
                    "last uses of tokens not written",
                    extra={"error": type(error).__name__, "tokens": len(self._unwritten)},
                )
                return
            for token, at in some.items():
                if self._unwritten[token] == at:
                    del self._unwritten[token]

    async def _write(self, uses: Mapping[str, datetime]) -> None:
        async with self._store.writing() as connection:
            await connection.execute(lock_log())  # or a change of the same tokens and we might wait for each other
            rows = [{"token": token, "used_at": at} for token, at in uses.items()]
            for statement in UPDATE_LAST_USED:
                await connection.execute(statement, rows)

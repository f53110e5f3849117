"""Time of the last use of each token. It is noted when a gateway asks about the token, and written to the database at
intervals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from itertools import islice

from sqlalchemy import bindparam, update
from sqlalchemy.exc import SQLAlchemyError

from bouquet_registry.schema import tokens
from bouquet_registry.store import Store
from bouquet_registry.transactions import lock_log

log = logging.getLogger(__name__)

WRITE_INTERVAL_S = 5.0
"""Seconds between two writes of last uses to the database."""
MAX_ROWS_PER_TRANSACTION = 1000
"""Largest number of tokens whose last use one transaction writes. There is a limit because a revocation may have to
wait until the transaction ends."""

_later = tokens.c.last_used_at.is_(None) | (tokens.c.last_used_at < bindparam("used_at"))
UPDATE_LAST_USED = (
    update(tokens).where(tokens.c.id == bindparam("token"), _later).values(last_used_at=bindparam("used_at"))
)


class LastUses:
    """Last uses of tokens, kept in memory until they are written to the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unwritten: dict[str, datetime] = {}

    def note(self, token: str, at: datetime) -> None:
        """Notes in memory that a token was used at the time `at`; `write` later writes this to the database."""
        self._unwritten[token] = at

    async def keep_writing(self) -> None:
        """Writes the noted uses every `WRITE_INTERVAL_S` seconds until it is cancelled."""
        while True:
            await asyncio.sleep(WRITE_INTERVAL_S)
            await self.write()

    async def write(self) -> None:
        """Writes all noted uses to the database. If the database fails, logs a warning and keeps the uses for the next
        time."""
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
            await connection.execute(UPDATE_LAST_USED, [{"token": token, "used_at": at} for token, at in uses.items()])

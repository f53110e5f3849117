"""Retention of the journal: its oldest records are removed, day by day, once they have been kept for a set number of
months."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from bouquet_mesh.settings import SettingsError
from bouquet_registry import metrics
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.habilitations import months_later
from bouquet_registry.journal import audit
from bouquet_registry.journal.audit import DAY_S
from bouquet_registry.refusals import RefusalError
from bouquet_registry.store import PREFIX, Store

log = logging.getLogger(__name__)

PRUNE_INTERVAL_S = 3600.0
"""Seconds between two removals of expired journal records."""
DAY_TIMEOUT_S = 3600.0
"""Longest time, in seconds, to remove the records of one day. A longer removal fails with `TimeoutError`, and is tried
again later."""
MAX_MONTHS = 1200
"""Largest accepted value of the setting `journal_keep_months`: a hundred years."""


def check_retention(months: int) -> None:
    """Raises `SettingsError` for a retention that is negative or beyond `MAX_MONTHS`."""
    if not 0 <= months <= MAX_MONTHS:
        raise SettingsError([f"{PREFIX}JOURNAL_KEEP_MONTHS: must be from 0 to {MAX_MONTHS}"])


async def prune_periodically(store: Store, months: int, clock: Clock = utc_now) -> None:
    """Removes records that have been kept for `months` months, now and every `PRUNE_INTERVAL_S` seconds until
    cancelled. After a failed removal, logs the error, sets a metric, and tries again after the same time."""
    while True:
        try:
            await prune_expired(store, months, clock())
        except (RefusalError, SQLAlchemyError, OSError, TimeoutError) as error:
            log.error("journal pruning failed, will retry", extra={"error": type(error).__name__})
            metrics.JOURNAL_PRUNING_FAILED.set(1)
        else:
            metrics.JOURNAL_PRUNING_FAILED.set(0)
        await asyncio.sleep(PRUNE_INTERVAL_S)


async def prune_expired(store: Store, months: int, now: datetime) -> int:
    """Removes the records of each whole day (UTC) that lies more than `months` months before `now`, oldest day first.
    Returns the number of removed records. Raises `RefusalError` if a record is wrong or missing, or if the database
    role may not remove records. Raises `TimeoutError` if one day takes longer than `DAY_TIMEOUT_S`."""
    # After an error, the next attempt continues at the day that was not removed.
    before = months_later(now, -months).timestamp() // DAY_S * DAY_S
    removed = 0
    while (oldest := await audit.oldest_at(store, now.timestamp())) is not None and oldest < before:
        async with asyncio.timeout(DAY_TIMEOUT_S):
            of_day = await audit.prune(store, (oldest // DAY_S + 1) * DAY_S, now.timestamp)
        if not of_day:  # another writer removed them
            break
        metrics.JOURNAL_PRUNED.inc(of_day)
        log.info("journal pruned", extra={"records": of_day})
        removed += of_day
    return removed

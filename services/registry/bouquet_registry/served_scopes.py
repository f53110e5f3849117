"""Scopes of the operations that gateways serve, as the gateways report them. The registry checks scopes that are added
to a habilitation against the reported ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import schema
from bouquet_registry.clock import Clock
from bouquet_registry.habilitations import SCOPE
from bouquet_registry.refusals import InvalidFields
from bouquet_registry.store import INSERTS, Store

log = logging.getLogger(__name__)

WRITE_INTERVAL_S = 1.0
"""Seconds between writes of reported scopes to the database."""
MIN_UPDATE_INTERVAL = timedelta(hours=1)
"""Shortest time between two updates of a scope's `reported_at` in the database. Reports in between are not written."""
FORGOTTEN_AFTER = timedelta(days=30)
"""Time after which a scope no longer counts as served if no gateway has reported it again."""
# It is long, since a provider's worker may be stopped for days while the provider's habilitations are administered.
FRANCE_CONNECT_SCOPES = frozenset(
    ("family_name", "given_name", "birthdate", "birthplace", "birthcountry", "gender", "openid")
)
"""Scopes of FranceConnect itself, which `unserved_scopes` always accepts."""
# DataPass grants them along with providers' scopes, and no gateway reports them.
MAX_SCOPES = 5000
"""Largest number of served scopes in the database, and in one report. Further scopes are ignored."""
# So a faulty worker cannot fill the database.


class ServedScope(Struct, frozen=True):
    scope: str
    reported_at: datetime
    """Time at which a gateway reported that it serves the scope. Further reports within `MIN_UPDATE_INTERVAL` are not
    written."""


class ScopeReports:
    """Served scopes that gateways have reported, kept in memory until they are written to the database."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._unwritten: set[str] = set()

    def note(self, scopes: Iterable[str]) -> None:
        self._unwritten.update(scope for scope in tuple(scopes)[:MAX_SCOPES] if SCOPE.fullmatch(scope))

    async def keep_writing(self) -> None:
        """Writes the reported scopes every `WRITE_INTERVAL_S` seconds until cancelled."""
        while True:
            await asyncio.sleep(WRITE_INTERVAL_S)
            await self.write()

    async def write(self) -> None:
        """Writes the reported scopes to the database. If the database is unavailable, logs a warning and keeps the
        scopes for the next writing."""
        if not self._unwritten:
            return
        reported, now = frozenset(self._unwritten), self._clock()
        try:
            async with self._store.reading() as connection:
                known = {one.scope: one.reported_at for one in await served_scopes(connection)}
            if stale := [scope for scope in sorted(reported) if _is_stale(known.get(scope), now)]:
                await self._write(_within_limit(stale, known, now), now)
        except (SQLAlchemyError, OSError) as error:
            log.warning("served scopes not written", extra={"error": type(error).__name__})
            return
        self._unwritten -= reported

    async def _write(self, scopes: list[str], now: datetime) -> None:
        async with self._store.writing() as connection:
            insert = INSERTS[connection.dialect.name](schema.served_scopes)
            merged = insert.on_conflict_do_update(
                index_elements=["scope"], set_={"reported_at": insert.excluded.reported_at}
            )
            if scopes:
                await connection.execute(merged, [{"scope": scope, "reported_at": now} for scope in scopes])
            forgotten = schema.served_scopes.c.reported_at <= now - FORGOTTEN_AFTER
            await connection.execute(delete(schema.served_scopes).where(forgotten))


def _within_limit(reported: list[str], known: Mapping[str, datetime], now: datetime) -> list[str]:
    """Returns the reported scopes that fit into the database: the scopes already stored (`known`), and as many new ones
    as `MAX_SCOPES` allows. Logs a warning with the number of scopes left out, if any."""
    # A stored scope that is forgotten (`FORGOTTEN_AFTER`) counts as new.
    kept = {scope for scope, reported_at in known.items() if now - reported_at < FORGOTTEN_AFTER}
    refreshed = [scope for scope in reported if scope in kept]
    new = [scope for scope in reported if scope not in kept]
    room = max(MAX_SCOPES - len(kept), 0)
    if len(new) > room:
        log.warning("served scopes beyond limit", extra={"count": len(new) - room})
    return [*refreshed, *new[:room]]


def _is_stale(reported_at: datetime | None, now: datetime) -> bool:
    return reported_at is None or now - reported_at >= MIN_UPDATE_INTERVAL


async def served_scopes(connection: AsyncConnection) -> list[ServedScope]:
    """Returns the scopes that gateways have reported, sorted by name, each with the time of its last report."""
    rows = await connection.execute(select(schema.served_scopes).order_by(schema.served_scopes.c.scope))
    return [ServedScope(row.scope, row.reported_at) for row in rows]


async def unserved_scopes(
    connection: AsyncConnection, scopes: Iterable[str], now: datetime, known: Iterable[str] = ()
) -> tuple[str, ...]:
    """Returns which of `scopes` no gateway serves. Leaves out FranceConnect's own scopes, malformed scopes, and the
    habilitation's present scopes (`known`). If no scope was reported within `FORGOTTEN_AFTER`, logs a warning and
    returns an empty tuple."""
    reported = await served_scopes(connection)
    served = {one.scope for one in reported if now - one.reported_at < FORGOTTEN_AFTER}
    if not served:
        log.warning("scopes not checked: no gateway has reported the scopes that it serves")
        return ()
    accepted = served.union(known, FRANCE_CONNECT_SCOPES)
    return tuple(scope for scope in scopes if scope not in accepted and SCOPE.fullmatch(scope))


def unserved_problems(scopes: Iterable[str], unserved: Iterable[str]) -> list[str]:
    """Returns a text such as `scopes[0]: is served by no provider` for each scope in `scopes` that is also in
    `unserved`. The number is the scope's index in `scopes`."""
    found = frozenset(unserved)
    return [f"scopes[{number}]: is served by no provider" for number, scope in enumerate(scopes) if scope in found]


async def check_scopes(
    connection: AsyncConnection, scopes: tuple[str, ...], now: datetime, known: Iterable[str] = ()
) -> None:
    """Raises `InvalidFields` if `scopes` has a scope that no gateway serves. The error gives the index of each such
    scope. Scopes in `known`, which the habilitation has already, are accepted."""
    if problems := unserved_problems(scopes, await unserved_scopes(connection, scopes, now, known)):
        raise InvalidFields(problems)

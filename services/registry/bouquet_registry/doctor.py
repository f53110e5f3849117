"""Checks of `bouquet-registry doctor`: the signing key, the database and its clock, the broker, and the mail server or
webhook for notices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bouquet_mesh.doctor import broker, files
from bouquet_mesh.doctor.findings import Finding, unknown, well, wrong
from bouquet_mesh.doctor.reach import REACH_REMEDY, check_reachable
from bouquet_mesh.doctor.timing import CHECKS_S, run_checks
from bouquet_mesh.process import read_process
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError, read_all
from bouquet_mesh.tls.context import tls_error_of
from bouquet_proto.deadline import CLOCK_TOLERANCE_S, Deadline
from bouquet_proto.names import EMBEDDED
from bouquet_proto.registry_messages import PROVIDER
from bouquet_registry.datapass.inbox import count_aside
from bouquet_registry.delivery import NoticeDestination, check_mail_server, notice_destination
from bouquet_registry.notices import DeliveryError
from bouquet_registry.roles import compare_rights
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import PREFIX, Store, open_store
from bouquet_registry.worker import registry

START_REMEDY = "start `bouquet-registry serve`, and see its log"
"""Advice that `bouquet-registry doctor` prints if no process consumes one of the registry's queues."""
NTP_REMEDY = "set the clocks by NTP: deadlines and ends of tokens are wall-clock times"
"""Advice that `bouquet-registry doctor` prints if the clocks of this machine and of the database differ."""

REPLAY_REMEDY = "`bouquet-registry datapass-event list` has the reasons; mend them, then `datapass-event replay --all`"
"""Advice that `bouquet-registry doctor` prints if events of DataPass could not be applied."""


GRANT_REMEDY = "`bouquet-registry migrate`, as the tables' owner, with the options that name each role"
"""Advice that `bouquet-registry doctor` prints if a database role has fewer or more rights than its process needs."""
ROLE_REMEDY = "give it a role of its own: docs/operations/users-and-rights.md"

DatabaseCheck: TypeAlias = Callable[[Store], Awaitable[Finding]]


async def examine(environ: Mapping[str, str], checks_s: float = CHECKS_S) -> list[Finding]:
    """Runs all checks of `bouquet-registry doctor`, and returns the result of each. No check takes longer than
    `checks_s` seconds. Raises `SettingsError` for wrong settings."""
    mesh, settings = read_all(environ, lambda reader: read_process(reader, lambda own, _: registry.read(own)))
    bus_url = mesh.bus_url
    deadline = Deadline.after(checks_s)
    checks = {
        "database": check_database(settings, deadline, check_clock, _check_events_aside),
        "broker": _check_broker(bus_url, deadline),
        "notices": _check_notices(settings, deadline),
    }
    findings = await run_checks(checks, deadline)
    return [_check_signing_key(settings), *findings, *files.check_certificates(broker.SETTING, bus_url)]


def _check_signing_key(settings: RegistrySettings) -> Finding:
    if not settings.signing_key:
        return unknown("settings", f"whole; no {PREFIX}SIGNING_KEY: this process issues no token")
    return well("settings", "whole; the signing key can be used")


async def check_database(settings: RegistrySettings, deadline: Deadline, *checks: DatabaseCheck) -> list[Finding]:
    """Checks that the database answers and has the tables of this version. If so, also runs `checks`. Always checks
    that no TLS certificate of the database's servers will soon expire."""
    findings = await _examine_tables(settings.database_url, deadline.left_s(), checks)
    return [*findings, *files.check_servers(f"{PREFIX}DATABASE_URL", settings.database_url)]


async def _examine_tables(url: Secret, limit_s: float, checks: Sequence[DatabaseCheck]) -> list[Finding]:
    subject = "database"
    try:
        async with asyncio.timeout(limit_s), open_store(url) as store:
            whole = well(subject, "answers, and has the tables of this version")
            return [whole, *[await check(store) for check in checks]]
    except SettingsError as error:
        return [wrong(subject, str(error), "`bouquet-registry migrate`, or the image of the version that migrated it")]
    except TimeoutError:
        return [wrong(subject, f"does not answer in {limit_s:.1f} s", f"is it up, and is {PREFIX}DATABASE_URL right?")]
    except (SQLAlchemyError, OSError) as error:
        why = tls_error_of(error) or type(error).__name__
        return [wrong(subject, f"is away ({why})", f"is it up, and is {PREFIX}DATABASE_URL right?")]


def rights_check(needed: tuple[str, ...]) -> DatabaseCheck:
    """Returns a check that the database role of this process has exactly the rights `needed`. The result is "unknown"
    on SQLite, which has no roles."""
    subject = "rights in the database"

    async def check(store: Store) -> Finding:
        async with store.reading() as connection:
            if connection.dialect.name == "sqlite":
                return unknown(subject, "SQLite has no roles: whoever opens the file has every right")
            found = await connection.run_sync(compare_rights, needed)
        if found.missing:
            return wrong(subject, f"lacks {', '.join(found.missing)}", GRANT_REMEDY)
        if found.is_owner:
            return wrong(subject, "the process connects as the owner of the tables, who may do everything", ROLE_REMEDY)
        if found.surplus:
            return wrong(subject, f"has more than it needs: {', '.join(found.surplus)}", GRANT_REMEDY)
        return well(subject, "those that it needs, and no others")

    return check


async def check_clock(store: Store) -> Finding:
    """Checks that the clocks of this machine and of the database differ by at most `CLOCK_TOLERANCE_S` seconds. The
    result is "unknown" on SQLite, which has no clock of its own."""
    async with store.reading() as connection:
        if connection.dialect.name == "sqlite":
            return unknown("clock", "SQLite has the time of this machine: nothing to compare it with")
        began = time.time()
        database_time = float(
            (await connection.execute(text("select extract(epoch from clock_timestamp())"))).scalar_one()
        )
        apart_s = (began + time.time()) / 2 - database_time
    words = f"{abs(apart_s):.2f} s {'ahead of' if apart_s > 0 else 'behind'} the database's"
    return well("clock", words) if abs(apart_s) <= CLOCK_TOLERANCE_S else wrong("clock", words, NTP_REMEDY)


async def _check_events_aside(store: Store) -> Finding:
    async with store.reading() as connection:
        number = await count_aside(connection)
    if not number:
        return well("DataPass", "every event that arrived was applied")
    return wrong("DataPass", f"{number} events could not be applied", REPLAY_REMEDY)


async def _check_broker(bus_url: Secret, deadline: Deadline) -> list[Finding]:
    url = bus_url.reveal()
    if url == EMBEDDED:
        return [wrong("broker", "no gateway reaches a registry alone on memory:", f"set {broker.SETTING}")]
    async with broker.connected(url, "bouquet-registry doctor", deadline) as (connection, findings):
        if connection is None:
            return findings
        served = await broker.check_service(connection, PROVIDER, START_REMEDY, deadline)
        journal = await broker.check_journal_queue(connection, START_REMEDY, deadline)
        return [*findings, *served, journal, *files.check_servers(broker.SETTING, bus_url)]


async def _check_notices(settings: RegistrySettings, deadline: Deadline) -> list[Finding]:
    if not settings.notices_to:
        return [unknown("notices", f"nobody is warned before a token ends: no {PREFIX}NOTICES_TO")]
    destination = notice_destination(settings)
    if destination.starts_tls:
        return [await _examine_mail_server(destination, deadline)]
    return [await check_reachable(f"{PREFIX}NOTICES_TO", settings.notices_to.reveal(), deadline, destination.tls)]


async def _examine_mail_server(destination: NoticeDestination, deadline: Deadline) -> Finding:
    """Checks that the mail server of an `smtp://` URL can be reached, and begins TLS by STARTTLS with a valid
    certificate."""
    setting = f"{PREFIX}NOTICES_TO"
    subject, host = f"the way to {setting}", destination.url.host or ""
    try:
        await check_mail_server(destination, deadline.left_s())
    except DeliveryError as error:
        return wrong(subject, f"{host} cannot be reached with TLS ({error})", REACH_REMEDY)
    shown = next(files.check_servers(setting, Secret(f"smtp://{host}")), None)
    if shown is None:
        return well(subject, f"{host} can be reached")
    return Finding(subject, shown.state, f"{host} can be reached; its certificate: {shown.says}", shown.remedy)

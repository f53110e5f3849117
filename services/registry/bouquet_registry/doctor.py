"""Checks of `bouquet-registry doctor`: keys, database, clock, broker and notices in the registry's settings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bouquet_mesh.doctor import broker, files
from bouquet_mesh.doctor.findings import Finding, unknown, well, wrong
from bouquet_mesh.doctor.reach import REACH_REMEDY, check_reachable
from bouquet_mesh.process import read_process
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import each_server
from bouquet_mesh.settings import SettingsError, read_all
from bouquet_mesh.tls.context import tls_error_of
from bouquet_proto.deadline import CLOCK_TOLERANCE_S
from bouquet_proto.names import EMBEDDED
from bouquet_proto.registry_messages import PROVIDER
from bouquet_registry.datapass.inbox import count_aside
from bouquet_registry.delivery import NoticeDestination, greet, notice_destination
from bouquet_registry.notices import DeliveryError
from bouquet_registry.primary import HOST_TIMEOUT_S
from bouquet_registry.roles import compare_rights
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import PREFIX, Store, open_store
from bouquet_registry.worker import registry

CHECK_TIMEOUT_S = 5.0
"""Time limit, in seconds, for the check of a database on one server. Each further server in the URL extends it by
`HOST_TIMEOUT_S` seconds."""
START = "start `bouquet-registry serve`, and see its log"
"""Advice that `bouquet-registry doctor` prints if no process reads from one of the registry's queues."""
NTP = "set the clocks by NTP: deadlines and ends of tokens are wall-clock times"
"""Advice that `bouquet-registry doctor` prints if the clocks of this machine and of the database differ."""

REPLAY = "`bouquet-registry datapass-event list` has the reasons; mend them, then `datapass-event replay --all`"
"""Advice that `bouquet-registry doctor` prints if events of DataPass were set aside because they could not be
applied."""


GRANT = "`bouquet-registry migrate`, as the tables' owner, with the options that name each role"
"""Advice that the doctor prints if a database role lacks rights, or has more than its process needs."""
ROLE = "give it a role of its own: docs/operations/users-and-rights.md"

DatabaseCheck: TypeAlias = Callable[[Store], Awaitable[Finding]]


async def examine(environ: Mapping[str, str]) -> list[Finding]:
    """Runs all checks and returns their findings. Raises `SettingsError` for wrong settings."""
    mesh, settings = read_all(environ, lambda reader: read_process(reader, lambda own, _: registry.read(own)))
    bus_url = mesh.bus_url
    findings = [_keys(settings), *await check_database(settings, check_clock, _events_aside)]
    findings += await _broker(bus_url.reveal())
    findings += files.check_certificates(broker.SETTING, bus_url)
    findings.append(await _notices(settings))
    findings += files.check_servers(broker.SETTING, bus_url)
    findings += files.check_servers(f"{PREFIX}DATABASE_URL", settings.database_url)
    return findings


def _keys(settings: RegistrySettings) -> Finding:
    if not settings.signing_key:
        return unknown("settings", f"whole; no {PREFIX}SIGNING_KEY: this process issues no token")
    return well("settings", "whole; the signing key can be used")


async def check_database(settings: RegistrySettings, *checks: DatabaseCheck) -> list[Finding]:
    """Checks that the database answers and has the tables of this version. If both are true, also runs `checks` on
    it."""
    subject = "database"
    timeout_s = CHECK_TIMEOUT_S + HOST_TIMEOUT_S * (len(each_server(settings.database_url.reveal())) - 1)
    try:
        async with asyncio.timeout(timeout_s), open_store(settings.database_url) as store:
            whole = well(subject, "answers, and has the tables of this version")
            return [whole, *[await check(store) for check in checks]]
    except SettingsError as error:
        return [wrong(subject, str(error), "`bouquet-registry migrate`, or the image of the version that migrated it")]
    except TimeoutError:
        return [wrong(subject, f"does not answer in {timeout_s:g} s", f"is it up, and is {PREFIX}DATABASE_URL right?")]
    except (SQLAlchemyError, OSError) as error:
        why = tls_error_of(error) or type(error).__name__
        return [wrong(subject, f"is away ({why})", f"is it up, and is {PREFIX}DATABASE_URL right?")]


def rights_check(needed: tuple[str, ...]) -> DatabaseCheck:
    """Returns a check that the database role of this process has exactly the rights `needed`."""
    subject = "rights in the database"

    async def check(store: Store) -> Finding:
        async with store.reading() as connection:
            if connection.dialect.name == "sqlite":
                return unknown(subject, "SQLite has no roles: whoever opens the file has every right")
            found = await connection.run_sync(compare_rights, needed)
        if found.missing:
            return wrong(subject, f"lacks {', '.join(found.missing)}", GRANT)
        if found.is_owner:
            return wrong(subject, "the process connects as the owner of the tables, who may do everything", ROLE)
        if found.surplus:
            return wrong(subject, f"has more than it needs: {', '.join(found.surplus)}", GRANT)
        return well(subject, "those that it needs, and no others")

    return check


async def check_clock(store: Store) -> Finding:
    """Compares the clocks of this machine and of the database."""
    async with store.reading() as connection:
        if connection.dialect.name == "sqlite":
            return unknown("clock", "SQLite has the time of this machine: nothing to compare it with")
        began = time.time()
        database_time = float(
            (await connection.execute(text("select extract(epoch from clock_timestamp())"))).scalar_one()
        )
        apart_s = (began + time.time()) / 2 - database_time
    words = f"{abs(apart_s):.2f} s {'ahead of' if apart_s > 0 else 'behind'} the database's"
    return well("clock", words) if abs(apart_s) <= CLOCK_TOLERANCE_S else wrong("clock", words, NTP)


async def _events_aside(store: Store) -> Finding:
    async with store.reading() as connection:
        number = await count_aside(connection)
    if not number:
        return well("DataPass", "every event that arrived was applied")
    return wrong("DataPass", f"{number} events could not be applied", REPLAY)


async def _broker(url: str) -> list[Finding]:
    if url == EMBEDDED:
        return [wrong("broker", "no gateway reaches a registry alone on memory:", f"set {broker.SETTING}")]
    async with broker.connected(url, "bouquet-registry doctor") as (connection, findings):
        if connection is None:
            return findings
        queues = [
            await broker.check_provider_queue(connection, PROVIDER, START),
            await broker.check_journal_queue(connection, START),
        ]
        return [*findings, await broker.check_serve_rights(connection, PROVIDER), *queues]


async def _notices(settings: RegistrySettings) -> Finding:
    if not settings.notices_to:
        return unknown("notices", f"nobody is warned before a token ends: no {PREFIX}NOTICES_TO")
    way = notice_destination(settings)
    if way.starts_tls:
        return await _mail_server(way)
    return await check_reachable(f"{PREFIX}NOTICES_TO", settings.notices_to.reveal(), way.tls)


async def _mail_server(way: NoticeDestination) -> Finding:
    """Connects to the mail server of a `smtp://` URL, which begins without TLS."""
    setting = f"{PREFIX}NOTICES_TO"
    subject, host = f"the way to {setting}", way.url.host or ""
    try:
        await greet(way, CHECK_TIMEOUT_S)
    except DeliveryError as error:
        return wrong(subject, f"{host} cannot be reached with TLS ({error})", REACH_REMEDY)
    shown = next(files.check_servers(setting, Secret(f"smtp://{host}")), None)
    if shown is None:
        return well(subject, f"{host} can be reached")
    return Finding(subject, shown.state, f"{host} can be reached; its certificate: {shown.says}", shown.remedy)

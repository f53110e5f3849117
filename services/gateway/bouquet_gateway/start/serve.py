"""A gateway as a process: settings → logs, traces → bus → workers, if hosted here → HTTP; the reverse at SIGTERM."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import msgspec

from bouquet_gateway.access.holders import Claims, Holders
from bouquet_gateway.access.open_counters import open_counters
from bouquet_gateway.access.rate_limit import RateLimiter
from bouquet_gateway.access.registry_client import Registered
from bouquet_gateway.access.tokens import Tokens, named_keys
from bouquet_gateway.http.app import lacking
from bouquet_gateway.http.listen import find_free, open_doors
from bouquet_gateway.journal.record import Journal, NoJournal, open_journal
from bouquet_gateway.load.bulkheads import Bulkheads
from bouquet_gateway.lookup.maintenance import parse_windows
from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.start import embedded, processes
from bouquet_gateway.state import Gateway
from bouquet_gateway.stores.open_cache import open_cache
from bouquet_mesh.bus.api import Calling
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.gc_tuning import spare_the_started
from bouquet_mesh.observe import logs, spans
from bouquet_mesh.observe.metrics import READY
from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.outbox.open import open_outbox
from bouquet_mesh.settings import SettingsError, is_embedded, load, load_mesh
from bouquet_mesh.signals import stop_requested
from bouquet_mesh.tasks import alongside
from bouquet_proto.names import EMBEDDED, GATEWAY_PREFIX, MESH_PREFIX

log = logging.getLogger(__name__)

SERVICE = "bouquet-gateway"
FIRST_OFFERS_S = 3.0
"""How long a starting gateway waits for the providers' first answers before it opens its door."""


async def serve(environ: Mapping[str, str], number: int = 0) -> None:
    """`number`: from 1, which one of the processes on this port. 0 is alone.

    Raises `SettingsError` with every wrong variable before anything starts.
    """
    mesh = load_mesh(environ)
    settings = checked(load(GatewaySettings, environ, GATEWAY_PREFIX))
    hosts, services = _hosted(settings) if mesh.bus_url.reveal() == EMBEDDED else ({}, {})
    settings = with_providers(settings, embedded.providers(hosts))
    name = f"{SERVICE} {number}" if number else SERVICE
    logs.configure_logs(name, mesh.log_level)
    async with AsyncExitStack() as stack:
        stack.enter_context(spans.tracing(SERVICE, environ))
        bus, outbox = await stack.enter_async_context(open_bus(mesh.bus_url.reveal(), name)), None
        if settings.has_journal:
            outbox = await stack.enter_async_context(open_outbox(mesh.bus_url.reveal(), f"{name} journal"))
        if hosts or services:
            await stack.enter_async_context(embedded.hosting(bus, outbox, environ, hosts, services))
        gateway = await stack.enter_async_context(opened(settings, bus, outbox))
        port = await stack.enter_async_context(open_doors(gateway, number))
        READY.labels(SERVICE).set_function(lambda: not lacking(gateway))
        spare_the_started()
        if number:
            processes.join_family()
        log.info("gateway started", extra={"port": port, "providers": list(settings.providers)})
        await stop_requested()
        log.info("gateway stopping")


async def serve_several(environ: Mapping[str, str]) -> int:
    """As many processes as the settings say. Gives their exit status. Raises `SettingsError`."""
    mesh = load_mesh(environ)
    settings = checked(load(GatewaySettings, environ, GATEWAY_PREFIX))
    if is_embedded(mesh.bus_url.reveal()):
        raise SettingsError([f"{GATEWAY_PREFIX}PROCESSES: several need a broker, {MESH_PREFIX}BUS_URL has none"])
    with_providers(settings, ())
    logs.configure_logs(SERVICE, mesh.log_level)
    await find_free(settings)
    if settings.cache_url.reveal() == EMBEDDED:
        log.warning("each process has its own paces and cache", extra={"processes": settings.processes})
    return await processes.lead(settings.processes, environ)


def checked(settings: GatewaySettings) -> GatewaySettings:
    """Raises `SettingsError` for settings that make no sense together."""
    problems = []
    if settings.hedge_after_s >= settings.deadline_s:
        problems.append(f"{GATEWAY_PREFIX}HEDGE_AFTER_S: must be shorter than {GATEWAY_PREFIX}DEADLINE_S")
    if not 1 <= settings.max_calls_per_provider <= settings.max_requests:
        problems.append(f"{GATEWAY_PREFIX}MAX_CALLS_PER_PROVIDER: must be between 1 and {GATEWAY_PREFIX}MAX_REQUESTS")
    if settings.known_tokens < 1:
        problems.append(f"{GATEWAY_PREFIX}KNOWN_TOKENS: must be 1 or more")
    if settings.cache_url.reveal().partition("//")[0] not in (EMBEDDED, "redis:", "rediss:"):
        problems.append(f"{GATEWAY_PREFIX}CACHE_URL: must be {EMBEDDED} or redis(s)://…")
    if settings.processes < 1:
        problems.append(f"{GATEWAY_PREFIX}PROCESSES: must be 1 or more")
    if settings.processes > 1 and not settings.port:
        problems.append(f"{GATEWAY_PREFIX}PORT: must be said, since several processes listen on it")
    if problems:
        raise SettingsError(problems)
    if settings.has_journal:
        settings.pseudonyms()
    return settings


@asynccontextmanager
async def opened(settings: GatewaySettings, bus: Calling, outbox: Outbox | None = None) -> AsyncIterator[Gateway]:
    """A gateway whose catalogue keeps itself fresh for the life of the context. Its journal goes by `outbox`."""
    secret = settings.cache_secret()
    calls = Bulkheads(bus, settings.max_calls_per_provider)
    async with (
        open_cache(settings.cache_url, secret, settings.cache_max_items, settings.cache_max_bytes) as cache,
        open_counters(settings.cache_url) as counters,
        _journal(settings, outbox) as journal,
    ):
        gateway = Gateway(
            settings,
            bus=calls,
            cache=cache,
            cache_secret=secret,
            holders=_holders(settings, calls),
            pace=RateLimiter(counters, limit=settings.calls_per_second),
            windows=parse_windows(settings.maintenance),
            journal=journal,
        )
        async with alongside(gateway.discovery.run()), alongside(gateway.holders.run()):
            with suppress(TimeoutError):
                await asyncio.wait_for(gateway.discovery.asked_once(), FIRST_OFFERS_S)
            yield gateway


def _holders(settings: GatewaySettings, bus: Calling) -> Holders:
    keys, most = named_keys(settings.token_keys), settings.known_tokens
    tokens = Tokens(settings.token_key, named_keys=keys, max_known=most)
    if settings.tokens_from == "claims":
        return Claims(tokens)
    patience_s, refresh_s = settings.registry_patience_s, settings.registry_refresh_s
    return Registered(tokens, bus, patience_s=patience_s, refresh_s=refresh_s, max_known=most)


@asynccontextmanager
async def _journal(settings: GatewaySettings, outbox: Outbox | None) -> AsyncIterator[Journal]:
    if not settings.has_journal:
        yield NoJournal()
        return
    assert outbox is not None, "a journal needs its outbox"
    folder, max_bytes = Path(settings.journal_spool), settings.journal_spool_max_bytes
    async with AsyncExitStack() as stack:
        try:
            journal = await stack.enter_async_context(open_journal(folder, max_bytes, settings.pseudonyms(), outbox))
        except OSError as error:
            raise SettingsError([f"{GATEWAY_PREFIX}JOURNAL_SPOOL: cannot be written ({error.strerror})"]) from None
        yield journal


def _hosted(settings: GatewaySettings) -> tuple[dict[str, embedded.Hosted], dict[str, embedded.Service]]:
    """The allowed ones of those installed here; the casebook stands for all. And the registry, where it is asked."""
    hosts = embedded.installed(sandbox=settings.sandbox)
    chosen = settings.providers if settings.providers and not settings.sandbox else tuple(hosts)
    services = embedded.services() if settings.tokens_from == "registry" or settings.has_journal else {}
    return {name: host for name, host in hosts.items() if name in chosen}, services


def with_providers(settings: GatewaySettings, hosted: tuple[str, ...]) -> GatewaySettings:
    """Those that it hosts, where none is named. Raises `SettingsError` when there are none at all."""
    if settings.providers:
        return settings
    if not hosted:
        raise SettingsError([f"{GATEWAY_PREFIX}PROVIDERS: is required with a broker"])
    return msgspec.structs.replace(settings, providers=hosted)

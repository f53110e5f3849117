"""A gateway as a process: settings → logs, traces → bus → workers, if hosted here → HTTP; the reverse at SIGTERM."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

import msgspec

from bouquet_gateway.http.listen import find_free, open_doors
from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.start import embedded, processes
from bouquet_gateway.start.build import opened
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.gc_tuning import spare_the_started
from bouquet_mesh.loop_lag import watched_loop
from bouquet_mesh.observe import logs, spans
from bouquet_mesh.observe.metrics import READY
from bouquet_mesh.outbox.open import open_outbox
from bouquet_mesh.settings import SettingsError, is_embedded, load, load_mesh, removed_in
from bouquet_mesh.signals import stop_requested
from bouquet_proto.names import EMBEDDED, GATEWAY_PREFIX, MESH_PREFIX

log = logging.getLogger(__name__)

SERVICE = "bouquet-gateway"


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
    for setting in removed_in(environ):
        log.warning("setting has no effect", extra={"setting": setting})
    async with AsyncExitStack() as stack:
        stack.enter_context(spans.tracing(SERVICE, environ))
        await stack.enter_async_context(watched_loop())
        bus, outbox = await stack.enter_async_context(open_bus(mesh.bus_url.reveal(), name)), None
        if settings.has_journal:
            outbox = await stack.enter_async_context(open_outbox(mesh.bus_url.reveal(), f"{name} journal"))
        if hosts or services:
            await stack.enter_async_context(embedded.hosting(bus, outbox, environ, hosts, services))
        parts = await stack.enter_async_context(opened(settings, bus, outbox))
        port = await stack.enter_async_context(open_doors(parts, number))
        READY.labels(SERVICE).set_function(lambda: not parts.readiness.lacking())
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
    if settings.processes < 1:
        problems.append(f"{GATEWAY_PREFIX}PROCESSES: must be 1 or more")
    if settings.processes > 1 and not settings.port:
        problems.append(f"{GATEWAY_PREFIX}PORT: must be said, since several processes listen on it")
    if problems:
        raise SettingsError(problems)
    if settings.has_journal:
        settings.pseudonyms()
    return settings


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

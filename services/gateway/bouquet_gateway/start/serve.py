"""Gateway process: connects to the bus and the stores, opens the HTTP port, and serves until SIGTERM. Without a broker,
the workers run in the same process."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import msgspec
from msgspec import Struct

from bouquet_gateway import metrics
from bouquet_gateway.http.listen import check_ports_free, open_ports
from bouquet_gateway.offers import providers_file
from bouquet_gateway.settings import SAFEGUARDS, GatewaySettings, read_settings, safeguards_off
from bouquet_gateway.start import embedded, processes
from bouquet_gateway.start.build import open_gateway
from bouquet_mesh.process import Process, prepare, run_process
from bouquet_mesh.settings import MeshSettings, Reader, SettingsError, is_embedded
from bouquet_proto.names import EMBEDDED, GATEWAY_PREFIX, MESH_PREFIX

log = logging.getLogger(__name__)

SERVICE = "bouquet-gateway"


class StartConfiguration(Struct, frozen=True):
    """Settings of a gateway, with the workers (`hosts`) and other services that run in its process. With a broker, both
    are empty."""

    settings: GatewaySettings
    hosts: Mapping[str, embedded.EmbeddedWorker]
    services: Mapping[str, embedded.EmbeddedService]


async def serve(environ: Mapping[str, str], number: int = 0) -> None:
    """Answers callers until SIGTERM. `number` is this process's number, from 1, or 0 for a gateway's only process.
    Raises `SettingsError` for wrong settings."""
    name = f"{SERVICE} {number}" if number else SERVICE
    await run_process(SERVICE, environ, read, partial(_serving, number), name)


async def serve_processes(environ: Mapping[str, str]) -> int:
    """Runs as many gateway processes as the setting `PROCESSES` says. Returns 0 if all end with exit status 0,
    otherwise the exit status of a process that failed. Raises `SettingsError` for a wrong setting or a port in use."""
    _, configuration = prepare(environ, read, SERVICE)
    settings = configuration.settings
    await check_ports_free(settings)
    if settings.cache_url.reveal() == EMBEDDED:
        log.warning("each process has its own rate limits and cache", extra={"processes": settings.processes})
    return await processes.supervise(settings.processes, environ)


def read(reader: Reader, mesh: MeshSettings) -> StartConfiguration:
    """Reads, checks and returns the settings of a gateway, and of the workers and services in its process. `reader`
    collects the errors."""
    settings = read_settings(reader)
    reader.check(_several_need_a_broker, settings, mesh)
    hosts, services = reader.check(_hosted, settings, mesh) or ({}, {})
    for hosted in hosts.values():
        hosted.read(reader)
    for service in services.values():
        service.read(reader)
    named = reader.check(with_providers, settings, mesh, embedded.providers_of(hosts))
    return StartConfiguration(named or settings, hosts, services)


def _several_need_a_broker(settings: GatewaySettings, mesh: MeshSettings) -> None:
    if settings.processes > 1 and is_embedded(mesh.bus_url.reveal()):
        need = f"several processes need a broker, and {MESH_PREFIX}BUS_URL names none"
        raise SettingsError([f"{GATEWAY_PREFIX}PROCESSES: {need}"])


@asynccontextmanager
async def _serving(number: int, process: Process, configuration: StartConfiguration) -> AsyncIterator[None]:
    settings = configuration.settings
    async with AsyncExitStack() as stack:
        bus, outbox = await stack.enter_async_context(process.bus()), None
        if settings.has_journal:
            outbox = await stack.enter_async_context(process.outbox(f"{process.name} journal"))
        if configuration.hosts or configuration.services:
            hosting = embedded.running_workers(
                bus, outbox, process.environ, configuration.hosts, configuration.services
            )
            await stack.enter_async_context(hosting)
        report_safeguards(settings)
        parts = await stack.enter_async_context(open_gateway(settings, bus, outbox))
        port = await stack.enter_async_context(open_ports(parts, number, process.http_limits))
        process.ready_when(parts.readiness.readyz_body)
        if number:
            processes.report_started()
        log.info("gateway started", extra={"port": port, "providers": list(settings.providers)})
        yield
        log.info("gateway stopping")


def report_safeguards(settings: GatewaySettings) -> None:
    """Reports, in the log and in a metric, which protections of real data the settings turn off."""
    off = safeguards_off(settings)
    for safeguard in SAFEGUARDS:
        metrics.SAFEGUARD_OFF.labels(safeguard.setting).set(safeguard in off)
    for safeguard in off:
        facts = {"setting": GATEWAY_PREFIX + safeguard.setting, "means": safeguard.means}
        log.warning("safeguard off", extra=facts)


def _hosted(
    settings: GatewaySettings, mesh: MeshSettings
) -> tuple[Mapping[str, embedded.EmbeddedWorker], Mapping[str, embedded.EmbeddedService]]:
    """Returns the workers and the services that run in the gateway's process. With a broker, both mappings are
    empty."""
    # On the embedded bus, these are the installed workers that the settings allow (in a sandbox, the casebook alone),
    # and the registry if tokens or journal need it.
    if settings.processes > 1 or not is_embedded(mesh.bus_url.reveal()):
        return {}, {}
    hosts = embedded.installed_workers(sandbox=settings.sandbox)
    chosen = settings.providers if settings.providers and not settings.sandbox else tuple(hosts)
    services = embedded.installed_services() if settings.tokens_from == "registry" or settings.has_journal else {}
    return {name: host for name, host in hosts.items() if name in chosen}, services


def with_providers(settings: GatewaySettings, mesh: MeshSettings, hosted: tuple[str, ...]) -> GatewaySettings:
    """Returns the settings with `providers` filled in from the file of providers, if the settings name one. Without a
    file, an empty `providers` becomes `hosted`: the providers whose workers run in this process.

    Raises `SettingsError` if the file is wrong, or if a gateway with a broker names no provider.
    """
    # It is also raised for a file without a broker.
    if settings.providers_file:
        if is_embedded(mesh.bus_url.reveal()):
            raise SettingsError([f"{providers_file.SETTING}: needs a broker, and {MESH_PREFIX}BUS_URL names none"])
        return msgspec.structs.replace(settings, providers=providers_file.read_names(settings.providers_file))
    if settings.providers:
        return settings
    if not hosted and not is_embedded(mesh.bus_url.reveal()):
        raise SettingsError([f"{GATEWAY_PREFIX}PROVIDERS: is required with a broker, or {providers_file.SETTING}"])
    return msgspec.structs.replace(settings, providers=hosted)

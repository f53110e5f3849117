"""The processes `bouquet-registry serve`, for gateways and DataPass, and `bouquet-registry journal serve`, for the
journal. Both run until SIGTERM."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from aiohttp import web

from bouquet_mesh.process import NO_CONSUMER, Process, run_process
from bouquet_mesh.settings import MeshSettings, Reader, require_broker
from bouquet_registry.datapass.webhooks import Webhooks
from bouquet_registry.journal.entries import answering_about_entries
from bouquet_registry.journal.worker import writing
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import PREFIX, Store, open_store
from bouquet_registry.worker import answering, registry

log = logging.getLogger(__name__)

SERVICE = "bouquet-registry"
JOURNAL_SERVICE = "bouquet-registry-journal"
"""Name of the process `bouquet-registry journal serve` in logs and traces."""
UNUSED_KEYS = ("signing_key", "journal_keys")
"""Names of settings with keys that neither `serve` nor `journal serve` needs. Both log a warning if such a setting is
set."""
MAX_BODY_BYTES = 1024 * 1024
"""Largest accepted body of a webhook, in bytes."""


async def serve(environ: Mapping[str, str]) -> None:
    """Answers gateways and DataPass until SIGTERM, and writes the journal if the setting `journal` is true. Raises
    `SettingsError` for wrong settings."""
    await run_process(SERVICE, environ, lambda reader, _: registry.read(reader), _answering)


async def serve_journal(environ: Mapping[str, str]) -> None:
    """Writes the journal, and answers gateways that ask whether it has a record, until SIGTERM. Raises `SettingsError`
    for wrong settings."""
    await run_process(JOURNAL_SERVICE, environ, _read_journal, _writing)


def _read_journal(reader: Reader, mesh: MeshSettings) -> RegistrySettings:
    reader.check(require_broker, mesh, "a journal's writer")
    return registry.read(reader)


@asynccontextmanager
async def _answering(process: Process, settings: RegistrySettings) -> AsyncIterator[None]:
    warn_of_unused_keys(settings, *UNUSED_KEYS)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.database_url))
        webhooks = Webhooks(store, settings.datapass_secret, settings.datapass_window_s)
        port = await stack.enter_async_context(_listening(process, settings, webhooks.routes()))
        bus = await stack.enter_async_context(process.bus())
        serving = await stack.enter_async_context(answering(bus, store, settings))
        if settings.journal:
            await stack.enter_async_context(_journal(process, settings, store))
        process.ready_when(lambda: {} if serving.consuming else NO_CONSUMER)
        log.info("registry started", extra={"port": port, "webhooks": bool(settings.datapass_secret)})
        yield
        log.info("registry stopping")


@asynccontextmanager
async def _writing(process: Process, settings: RegistrySettings) -> AsyncIterator[None]:
    warn_of_unused_keys(settings, *UNUSED_KEYS)
    async with (
        open_store(settings.database_url) as store,
        _listening(process, settings) as port,
        _journal(process, settings, store),
    ):
        log.info("journal started", extra={"port": port})
        yield
        log.info("journal stopping")


def warn_of_unused_keys(settings: RegistrySettings, *names: str) -> None:
    """Logs a warning for each of the settings `names` that is set."""
    # They contain keys that the process does not need, and that an attacker who takes over the process would get.
    for name in names:
        if getattr(settings, name):
            log.warning("unused key configured", extra={"setting": f"{PREFIX}{name.upper()}"})


@asynccontextmanager
async def _journal(process: Process, settings: RegistrySettings, store: Store) -> AsyncIterator[None]:
    """Writes the journal, and answers gateways that ask whether it has a record, until the context ends."""
    async with (
        process.outbox(JOURNAL_SERVICE) as outbox,
        writing(outbox, store, settings.journal_keep_months) as journal_writer,
        # A bus of its own: until the definitions of this release are imported, its queue is refused.
        process.bus(JOURNAL_SERVICE) as bus,
        answering_about_entries(bus, store),
    ):
        process.ready_when(lambda: {} if journal_writer.writing else NO_CONSUMER)
        yield


@asynccontextmanager
async def _listening(
    process: Process, settings: RegistrySettings, routes: Iterable[web.RouteDef] = ()
) -> AsyncIterator[int | None]:
    """Runs the HTTP server with `routes`, the probes (`/livez`, `/readyz`) and the metrics, and yields its port."""
    # A webhook whose sender closes the connection is still processed to the end.
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes(routes)
    host, port, drain_s = settings.host, settings.port, settings.drain_s
    async with process.listening(app, host, port, drain_s=drain_s, ends_with_client=False) as url:
        yield urlsplit(url).port

"""The registry as a process: settings → logs, traces → database → bus → webhooks and health; the reverse at SIGTERM.

The journal's worker is a part of it, or a process of its own.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

from aiohttp import web

from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.gc_tuning import spare_the_started
from bouquet_mesh.listen import can_listen
from bouquet_mesh.loop_lag import watched_loop
from bouquet_mesh.observe import logs, spans
from bouquet_mesh.observe.metrics import READY, exposition
from bouquet_mesh.outbox.open import open_outbox
from bouquet_mesh.settings import MeshSettings, load_mesh
from bouquet_mesh.signals import stop_requested
from bouquet_registry.journal.worker import writing
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store, open_store
from bouquet_registry.webhooks import Webhooks
from bouquet_registry.worker import answering, registry

log = logging.getLogger(__name__)

SERVICE = "bouquet-registry"
JOURNAL_SERVICE = "bouquet-registry-journal"
MAX_BODY_BYTES = 1024 * 1024

Ready: TypeAlias = Callable[[], bool]


async def serve(environ: Mapping[str, str]) -> None:
    """Answers gateways and DataPass; writes the journal unless told not to. Raises `SettingsError`."""
    async with _started(SERVICE, environ) as (stack, mesh, settings, store):
        bus = await stack.enter_async_context(open_bus(mesh.bus_url.reveal(), SERVICE))
        serving = await stack.enter_async_context(answering(bus, store, settings))
        ready: list[Ready] = [lambda: serving.consuming]
        if settings.journal:
            ready.append(await stack.enter_async_context(_journal(mesh, store)))
        webhooks = Webhooks(store, settings.datapass_secret, settings.datapass_window_s)
        port = await stack.enter_async_context(_listening(make_app(SERVICE, ready, webhooks.routes()), settings))
        spare_the_started()
        log.info("registry started", extra={"port": port, "webhooks": bool(settings.datapass_secret)})
        await stop_requested()
        log.info("registry stopping")


async def serve_journal(environ: Mapping[str, str]) -> None:
    """Writes the journal, and nothing else. Raises `SettingsError`."""
    async with _started(JOURNAL_SERVICE, environ) as (stack, mesh, settings, store):
        ready = await stack.enter_async_context(_journal(mesh, store))
        port = await stack.enter_async_context(_listening(make_app(JOURNAL_SERVICE, [ready]), settings))
        spare_the_started()
        log.info("journal started", extra={"port": port})
        await stop_requested()
        log.info("journal stopping")


Started: TypeAlias = tuple[AsyncExitStack, MeshSettings, RegistrySettings, Store]


@asynccontextmanager
async def _started(service: str, environ: Mapping[str, str]) -> AsyncIterator[Started]:
    """What every process of the registry begins with. What is put on the stack is closed before the database."""
    mesh = load_mesh(environ)
    settings = registry.settings(environ)
    logs.configure_logs(service, mesh.log_level)
    with spans.tracing(service, environ):
        async with watched_loop(), open_store(settings.database_url) as store, AsyncExitStack() as stack:
            yield stack, mesh, settings, store


@asynccontextmanager
async def _journal(mesh: MeshSettings, store: Store) -> AsyncIterator[Ready]:
    async with open_outbox(mesh.bus_url.reveal(), JOURNAL_SERVICE) as outbox, writing(outbox, store) as scribe:
        yield lambda: scribe.writing


def make_app(service: str, ready: Sequence[Ready], routes: Iterable[web.RouteDef] = ()) -> web.Application:
    def is_ready() -> bool:
        return all(each() for each in ready)

    async def livez(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        if is_ready():
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "no consumer"}, status=503)

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    READY.labels(service).set_function(is_ready)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics), *routes])
    return app


@asynccontextmanager
async def _listening(app: web.Application, settings: RegistrySettings) -> AsyncIterator[int]:
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        with can_listen(settings.host, settings.port):
            await site.start()
        yield site.port
    finally:
        await runner.cleanup()

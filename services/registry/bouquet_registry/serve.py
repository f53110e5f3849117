"""The registry as a process: settings → logs, traces → database → bus → webhooks and health; the reverse at SIGTERM."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bouquet_proto import telemetry
from bouquet_proto.bus import Serving, open_bus
from bouquet_proto.names import MESH_PREFIX
from bouquet_proto.settings import MeshSettings, load
from bouquet_proto.signals import stop_requested
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store, open_store
from bouquet_registry.webhooks import Webhooks
from bouquet_registry.worker import answering, registry

log = logging.getLogger(__name__)

SERVICE = "bouquet-registry"
MAX_BODY_BYTES = 1024 * 1024


async def serve(environ: Mapping[str, str]) -> None:
    """Raises `SettingsError`."""
    mesh = load(MeshSettings, environ, MESH_PREFIX, strict=False)
    settings = registry.settings(environ)
    telemetry.configure_logs(SERVICE, mesh.log_level)
    with telemetry.tracing(SERVICE, environ):
        async with (
            open_store(settings.database_url) as store,
            open_bus(mesh.bus_url.reveal(), SERVICE) as bus,
            answering(bus, store, settings) as serving,
            _listening(make_app(store, settings, serving), settings.host, settings.port) as port,
        ):
            log.info("registry started", extra={"port": port, "webhooks": bool(settings.datapass_secret)})
            await stop_requested()
            log.info("registry stopping")


def make_app(store: Store, settings: RegistrySettings, serving: Serving) -> web.Application:
    async def livez(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        if serving.consuming:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "no consumer"}, status=503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    app.add_routes(Webhooks(store, settings.datapass_secret, settings.datapass_window_s).routes())
    return app


@asynccontextmanager
async def _listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield site.port
    finally:
        await runner.cleanup()

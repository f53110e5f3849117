"""One worker as a process: settings → logs and traces → bus → upstreams → serve, until SIGTERM; then the reverse."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

from aiohttp import web
from msgspec import Struct

from bouquet_mesh.bus.api import Bus, Serving
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.gc_tuning import spare_the_started
from bouquet_mesh.loop_lag import watched_loop
from bouquet_mesh.observe import logs, spans
from bouquet_mesh.observe.metrics import READY, exposition
from bouquet_mesh.settings import SettingsError, load, load_mesh
from bouquet_mesh.signals import stop_requested
from bouquet_proto.names import EMBEDDED, MESH_PREFIX
from bouquet_worker.simulate import listening

log = logging.getLogger(__name__)

PROCESS_PREFIX = "BOUQUET_WORKER_"


class ProcessSettings(Struct, frozen=True, kw_only=True):
    """Of a worker's process, whatever its provider: `BOUQUET_WORKER_*`."""

    health_host: str = "127.0.0.1"
    health_port: int = 0
    """Where `/livez`, `/readyz` and `/metrics` answer; 0 takes a free port, told in the log."""


class Host(Protocol):
    """What a process runs: a worker, or one who stands for several."""

    provider: str

    def settings(self, environ: Mapping[str, str]) -> object:
        """Raises `SettingsError`."""

    def running(self, bus: Bus, environ: Mapping[str, str]) -> AbstractAsyncContextManager[Serving]: ...


async def run(worker: Host, environ: Mapping[str, str]) -> None:
    """Raises `SettingsError` with every wrong variable before anything starts."""
    load_process = partial(load, ProcessSettings, environ, PROCESS_PREFIX)
    _check(partial(load_mesh, environ), load_process, partial(worker.settings, environ))
    mesh, process = load_mesh(environ), load_process()
    if mesh.bus_url.reveal() == EMBEDDED:
        raise SettingsError([f"{MESH_PREFIX}BUS_URL: is required: nobody reaches a worker alone on {EMBEDDED}"])
    service = f"bouquet-{worker.provider}"
    logs.configure_logs(service, mesh.log_level)
    health = Health()
    with spans.tracing(service, environ):
        async with (
            watched_loop(),
            open_bus(mesh.bus_url.reveal(), service) as bus,
            listening(health.app(), process.health_host, process.health_port) as url,
            worker.running(bus, environ) as serving,
        ):
            health.serving = serving
            READY.labels(service).set_function(lambda: health.is_ready)
            spare_the_started()
            log.info("worker started", extra={"provider": worker.provider, "health_url": url})
            await stop_requested()
            log.info("worker stopping", extra={"provider": worker.provider})


def _check(*loads: Callable[[], object]) -> None:
    """Whoever mends the settings of a process wants to see all that is wrong with them at once."""
    problems: list[str] = []
    for loading in loads:
        try:
            loading()
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)


class Health:
    """Answers from before the first request until after the last: a worker that drains is unready, not dead."""

    serving: Serving | None = None

    @property
    def is_ready(self) -> bool:
        """A worker whose queue has lost its consumer is unready, connected or not."""
        return self.serving is not None and self.serving.consuming

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [web.get("/livez", self._livez), web.get("/readyz", self._readyz), web.get("/metrics", self._metrics)]
        )
        return app

    async def _livez(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _: web.Request) -> web.Response:
        if self.is_ready:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "no consumer"}, status=503)

    async def _metrics(self, request: web.Request) -> web.Response:
        body, content_type = exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

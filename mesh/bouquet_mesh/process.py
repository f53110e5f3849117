"""Start and stop of every process (gateway, worker or registry). A wrong setting ends the process before it opens
anything. At SIGTERM or SIGINT, its components, such as connections and ports, stop in reverse order of their start."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias, TypeVar

from aiohttp import web

from bouquet_mesh import descriptors, health
from bouquet_mesh.bus.api import Bus
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.gc_tuning import exempt_started_objects
from bouquet_mesh.health import ReadinessCheck
from bouquet_mesh.listen import listening
from bouquet_mesh.loop_lag import measured_loop_lag
from bouquet_mesh.observe import logs, spans
from bouquet_mesh.observe.metrics import READY
from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.outbox.open import open_outbox
from bouquet_mesh.settings import MeshSettings, Reader, is_embedded, read_mesh
from bouquet_mesh.signals import stop_signals
from bouquet_mesh.tasks import alongside
from bouquet_mesh.tls.context import verified_url, warn_if_url_unencrypted
from bouquet_proto.names import MESH_PREFIX

log = logging.getLogger(__name__)

T = TypeVar("T")

NO_CONSUMER: Mapping[str, object] = {"status": "no consumer"}
"""Body of `/readyz` while the process consumes no queue and so is not ready."""

NO_DESCRIPTOR: Mapping[str, object] = {"status": "out of descriptors"}
"""Body of `/readyz` while the process is running out of file descriptors (`descriptors.are_short`)."""

ReadSettings: TypeAlias = Callable[[Reader, MeshSettings], T]
"""Function that reads the settings of one kind of process with a `Reader`."""


class Process:
    """Running process, such as a gateway, a worker or the registry. Opens its bus, outbox (queue of journal records)
    and HTTP port, and reports whether it is ready."""

    def __init__(self, service: str, name: str, environ: Mapping[str, str], mesh: MeshSettings) -> None:
        self.environ = environ
        self.name = name
        self._service = service
        self._bus_url = mesh.bus_url.reveal()
        self._bus_max_age_s = mesh.bus_max_age_s
        self.http_limits = mesh.http_limits()
        self._conditions: list[ReadinessCheck] = []
        READY.labels(service).set_function(lambda: not self.unmet_condition())

    def bus(self, name: str = "") -> AbstractAsyncContextManager[Bus]:
        """Opens the bus that the settings name. The connection is called `name`, by default the process's name."""
        return open_bus(self._bus_url, name or self.name, max_age_s=self._bus_max_age_s)

    def outbox(self, name: str = "") -> AbstractAsyncContextManager[Outbox]:
        """Opens the outbox that the settings name. The connection is called `name`, by default the process's name."""
        return open_outbox(self._bus_url, name or self.name, max_age_s=self._bus_max_age_s)

    def ready_when(self, unmet_condition: ReadinessCheck) -> None:
        """Adds a condition without which the process is not ready. `unmet_condition` returns what is missing, or an
        empty mapping while the condition is met. A process without any condition is never ready."""
        self._conditions.append(unmet_condition)

    def unmet_condition(self) -> Mapping[str, object]:
        """Returns the reason why the process is not ready, as the body of `/readyz`. Returns an empty mapping if the
        process is ready."""
        if descriptors.are_short():
            return NO_DESCRIPTOR
        if not self._conditions:
            return NO_CONSUMER
        return next((lacks for condition in self._conditions if (lacks := condition())), {})

    def listening(
        self, app: web.Application, host: str, port: int, *, drain_s: float = 0.5, ends_with_client: bool = True
    ) -> AbstractAsyncContextManager[str]:
        """Serves `app`, and the routes `/livez`, `/readyz` and `/metrics`, while the context is open. Yields the base
        URL. The end of the context waits up to `drain_s` seconds for running requests. If `ends_with_client` is true, a
        handler is cancelled when its client disconnects."""
        # Enter this context before the parts that take requests, and leave it after them, so that a process that drains
        # is live and not ready.
        app.add_routes([*health.probe_routes(self.unmet_condition), health.metrics_route()])
        return listening(app, host, port, limits=self.http_limits, drain_s=drain_s, ends_with_client=ends_with_client)

    def probing(self, host: str, port: int) -> AbstractAsyncContextManager[str]:
        """Serves only the routes `/livez`, `/readyz` and `/metrics` while the context is open, and yields the base
        URL."""
        app = web.Application()
        app.add_routes([*health.probe_routes(self.unmet_condition), health.metrics_route()])
        return listening(app, host, port, limits=self.http_limits.for_operators())


StartParts: TypeAlias = Callable[[Process, T], AbstractAsyncContextManager[object]]
"""Function that starts the work of a process, such as serving HTTP requests. The work goes on while the returned
context manager is open."""


async def run_process(
    service: str, environ: Mapping[str, str], read: ReadSettings[T], start: StartParts[T], name: str = ""
) -> None:
    """Runs a process until SIGTERM or SIGINT: reads its settings with `read`, then starts its work with `start`. If any
    setting is wrong, opens nothing, and raises one `SettingsError` that lists all wrong settings. `name`, by default
    `service`, distinguishes the process from others of the same `service`."""
    # A part may raise `SettingsError` later. `name` distinguishes this process, in logs and at the broker, from other
    # processes of the same `service`.
    mesh, settings = prepare(environ, read, name or service)
    process = Process(service, name or service, environ, mesh)
    # Signal handlers come first, so that a signal during the start leads to an orderly stop after it.
    with stop_signals() as stop, spans.tracing(service, environ):
        async with measured_loop_lag(), alongside(descriptors.log_shortages()), start(process, settings):
            exempt_started_objects()
            await stop.wait()


def prepare(environ: Mapping[str, str], read: ReadSettings[T], name: str) -> tuple[MeshSettings, T]:
    """Reads the settings of a process, then configures its logs, in which the process is called `name`. `read` reads
    the settings that only this kind of process has. If any setting is wrong, raises one `SettingsError` that lists all
    wrong settings."""
    reader = Reader(environ)
    mesh, settings = read_process(reader, read)
    reader.close()
    logs.configure_logs(name, mesh.log_level)
    for variable in reader.without_effect:
        log.warning("setting has no effect", extra={"setting": variable})
    warn_if_url_unencrypted(f"{MESH_PREFIX}BUS_URL", mesh.bus_url.reveal())
    return mesh, settings


def read_process(reader: Reader, read: ReadSettings[T]) -> tuple[MeshSettings, T]:
    """Returns the settings that every process has, and the settings that `read` returns for this kind of process."""
    mesh = read_mesh(reader)
    reader.check(_check_bus, mesh)
    return mesh, read(reader, mesh)


def _check_bus(mesh: MeshSettings) -> None:
    """Raises `SettingsError` for a broker URL without TLS verification, or with unusable certificate files."""
    if not is_embedded(mesh.bus_url.reveal()):
        verified_url(mesh.bus_url, f"{MESH_PREFIX}BUS_URL")

"""The one way to start a process of the mesh, and to stop it.

All settings are read first: what is wrong with them ends the process before anything is open. Then come logs, traces
and what measures the event loop, then the parts of the process, until SIGTERM or SIGINT; the reverse to stop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias, TypeVar

from aiohttp import web

from bouquet_mesh import descriptors, health
from bouquet_mesh.bus.api import Bus
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.gc_tuning import spare_the_started
from bouquet_mesh.health import Lacking
from bouquet_mesh.listen import listening
from bouquet_mesh.loop_lag import watched_loop
from bouquet_mesh.observe import logs, spans
from bouquet_mesh.observe.metrics import READY
from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.outbox.open import open_outbox
from bouquet_mesh.settings import MeshSettings, Reader, is_embedded, read_mesh
from bouquet_mesh.signals import stop_signals
from bouquet_mesh.tasks import alongside
from bouquet_mesh.tls.context import tell_if_plain_url, verified
from bouquet_proto.names import MESH_PREFIX

log = logging.getLogger(__name__)

T = TypeVar("T")

NO_CONSUMER: Mapping[str, object] = {"status": "no consumer"}
"""What `/readyz` answers while nobody would take a request: a process starts, drains, or has lost its queue."""

NO_DESCRIPTOR: Mapping[str, object] = {"status": "out of descriptors"}
"""What it answers while only those are left that it keeps for its own work."""

Read: TypeAlias = Callable[[Reader, MeshSettings], T]
"""Reads the settings of a process and of its parts, beside those of the mesh."""


class Process:
    """What the parts of a process are given: its environment, its transports, its readiness."""

    def __init__(self, service: str, name: str, environ: Mapping[str, str], mesh: MeshSettings) -> None:
        self.environ = environ
        self.name = name
        self._service = service
        self._bus_url = mesh.bus_url.reveal()
        self.http_limits = mesh.http_limits()
        self._conditions: list[Lacking] = []
        READY.labels(service).set_function(lambda: not self.lacking())

    def bus(self) -> AbstractAsyncContextManager[Bus]:
        return open_bus(self._bus_url, self.name)

    def outbox(self, name: str = "") -> AbstractAsyncContextManager[Outbox]:
        """`name` is what the broker's operators see of its connection; by default the name of the process."""
        return open_outbox(self._bus_url, name or self.name)

    def ready_when(self, lacking: Lacking) -> None:
        """A process is ready while none of its conditions lacks anything. It is not ready before it has one."""
        self._conditions.append(lacking)

    def lacking(self) -> Mapping[str, object]:
        """What the first unmet condition lacks; empty when the process is ready."""
        if descriptors.are_short():
            return NO_DESCRIPTOR
        if not self._conditions:
            return NO_CONSUMER
        return next((lacks for condition in self._conditions if (lacks := condition())), {})

    def listening(
        self, app: web.Application, host: str, port: int, *, drain_s: float = 0.5, ends_with_client: bool = True
    ) -> AbstractAsyncContextManager[str]:
        """`listen.listening` to an application that answers `/livez`, `/readyz` and `/metrics` too.

        Entered before what takes requests and left after it, so that a process that drains is unready, not dead.
        """
        app.add_routes([*health.probes(self.lacking), health.metrics()])
        return listening(app, host, port, limits=self.http_limits, drain_s=drain_s, ends_with_client=ends_with_client)


Start: TypeAlias = Callable[[Process, T], AbstractAsyncContextManager[object]]
"""Opens the parts of a process; leaving it closes them."""


async def run_process(service: str, environ: Mapping[str, str], read: Read[T], start: Start[T], name: str = "") -> None:
    """Starts a process, and returns once it has been asked to stop and has stopped.

    `name` tells it from others of its `service` in logs and at the broker. Raises `SettingsError` with every wrong
    setting before anything is open, or as a part finds that it cannot start with its own.
    """
    mesh, settings = begin(environ, read, name or service)
    process = Process(service, name or service, environ, mesh)
    # The signals come first: a process that is asked to stop while it starts, stops in order once it has started.
    with stop_signals() as stop, spans.tracing(service, environ):
        async with watched_loop(), alongside(descriptors.watch()), start(process, settings):
            spare_the_started()
            await stop.wait()


def begin(environ: Mapping[str, str], read: Read[T], name: str) -> tuple[MeshSettings, T]:
    """Reads all settings, then has logs written under `name`. Raises `SettingsError` with every wrong setting."""
    reader = Reader(environ)
    mesh, settings = read_process(reader, read)
    reader.close()
    logs.configure_logs(name, mesh.log_level)
    for variable in reader.without_effect:
        log.warning("setting has no effect", extra={"setting": variable})
    tell_if_plain_url(f"{MESH_PREFIX}BUS_URL", mesh.bus_url.reveal())
    return mesh, settings


def read_process(reader: Reader, read: Read[T]) -> tuple[MeshSettings, T]:
    """The settings of the mesh, and those of a process beside them."""
    mesh = read_mesh(reader)
    reader.check(_check_bus, mesh)
    return mesh, read(reader, mesh)


def _check_bus(mesh: MeshSettings) -> None:
    """Whether the bus can be opened, as far as its URL and the files that it names can tell."""
    if not is_embedded(mesh.bus_url.reveal()):
        verified(mesh.bus_url, f"{MESH_PREFIX}BUS_URL")

"""Process of one worker, which serves its queue until SIGTERM."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Protocol

from msgspec import Struct

from bouquet_mesh.bus.api import Bus, RequestConsumer
from bouquet_mesh.process import NO_CONSUMER, Process, run_process
from bouquet_mesh.settings import MeshSettings, Port, Reader, require_broker

log = logging.getLogger(__name__)

PROCESS_PREFIX = "BOUQUET_WORKER_"


class ProcessSettings(Struct, frozen=True, kw_only=True):
    """Settings of every worker's process, whatever its provider, from the environment variables `BOUQUET_WORKER_*`."""

    health_host: str = "127.0.0.1"
    """Address on which `/livez`, `/readyz` and `/metrics` listen."""
    health_port: Port = 0
    """Port of `/livez`, `/readyz` and `/metrics`. With 0, a free port is chosen and logged."""


class Running(RequestConsumer, Protocol):
    """Interface of a worker that serves its queue."""

    def unmet_condition(self) -> Mapping[str, object]:
        """Returns the body of `/readyz` for a worker that is not ready, for instance because gateways refuse its
        operations. Returns an empty mapping for a ready worker."""


class RunnableWorker(Protocol):
    """Interface of the objects that `run` accepts: a `Worker`, or the sandbox, which answers for several providers."""

    provider: str

    def read(self, reader: Reader) -> object:
        """Reads and returns the worker's settings. Reports wrong settings to `reader`."""

    def running(self, bus: Bus, environ: Mapping[str, str]) -> AbstractAsyncContextManager[Running]:
        """Returns a context in which the worker serves requests from the bus. Entering the context gives the running
        worker."""


async def run(worker: RunnableWorker, environ: Mapping[str, str]) -> None:
    """Serves the worker's queue until SIGTERM. Raises `SettingsError` for wrong settings before the worker serves
    anything."""
    await run_process(f"bouquet-{worker.provider}", environ, partial(read, worker), partial(_serving, worker))


def read(worker: RunnableWorker, reader: Reader, mesh: MeshSettings) -> ProcessSettings:
    """Reads and checks the worker's settings, and returns the settings of its process. Reports wrong settings to
    `reader`. A bus in memory counts as wrong."""
    # No gateway can reach the worker through a bus in memory.
    reader.check(require_broker, mesh, "a worker")
    worker.read(reader)
    return reader.read(ProcessSettings, PROCESS_PREFIX)


@asynccontextmanager
async def _serving(worker: RunnableWorker, process: Process, settings: ProcessSettings) -> AsyncIterator[None]:
    async with (
        process.bus() as bus,
        process.probing(settings.health_host, settings.health_port) as url,
        worker.running(bus, process.environ) as serving,
    ):
        # A worker whose queue has lost its consumer is unready, connected or not.
        process.ready_when(lambda: {} if serving.consuming else NO_CONSUMER)
        process.ready_when(serving.unmet_condition)
        log.info("worker started", extra={"provider": worker.provider, "health_url": url})
        yield
        log.info("worker stopping", extra={"provider": worker.provider})

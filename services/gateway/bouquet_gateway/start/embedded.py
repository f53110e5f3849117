"""Workers that run in the gateway's own process, connected by a bus in memory."""
# In a sandbox, the casebook, which answers from test case files, runs instead.

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import entry_points
from typing import Any, Protocol

from bouquet_mesh.bus.api import Bus
from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.settings import Reader
from bouquet_proto.names import CASEBOOK, SERVICES, WORKERS
from bouquet_proto.offer import Offer, Operation

log = logging.getLogger(__name__)


class EmbeddedWorker(Protocol):
    """Worker that runs inside the gateway's process. In a sandbox, the casebook replaces all workers, and answers from
    test case files."""

    def offers(self) -> tuple[Offer, ...]:
        """Returns the descriptions of the worker's operations (offers), one for each provider that the worker
        serves."""

    def read(self, reader: Reader) -> object:
        """Reads and returns the worker's settings. `reader` collects the errors."""

    def running(self, bus: Bus, environ: Mapping[str, str]) -> AbstractAsyncContextManager[object]:
        """Returns a context in which the worker answers requests on the bus."""


class EmbeddedService(Protocol):
    """Service, other than a worker, that runs inside the gateway's process: the registry."""

    def read(self, reader: Reader) -> object:
        """Reads and returns the service's settings. `reader` collects the errors."""

    def running(
        self, bus: Bus, environ: Mapping[str, str], outbox: Outbox | None
    ) -> AbstractAsyncContextManager[object]:
        """Returns a context in which the service answers requests on the bus. `outbox` is the queue in which the
        gateway puts journal records; `None` without a journal."""


def installed_workers(*, sandbox: bool) -> dict[str, EmbeddedWorker]:
    """Returns the installed workers by the provider's name. For a sandbox, returns only the casebook, which answers
    from test case files."""
    return _loaded(CASEBOOK if sandbox else WORKERS)


def installed_services() -> dict[str, EmbeddedService]:
    """Returns the installed services by name: the registry, or an empty dict if it is not installed."""
    return _loaded(SERVICES)


def _loaded(group: str) -> dict[str, Any]:
    entries = entry_points(group=group)
    return {entry.name: entry.load() for entry in sorted(entries, key=lambda entry: entry.name)}


def providers_of(hosts: Mapping[str, EmbeddedWorker]) -> tuple[str, ...]:
    return tuple(offer.provider for host in hosts.values() for offer in host.offers())


def scopes_of(hosts: Mapping[str, EmbeddedWorker]) -> frozenset[str]:
    operations = (operation for host in hosts.values() for offer in host.offers() for operation in offer.operations)
    return frozenset(scope for operation in operations for scope in _scopes(operation))


def _scopes(operation: Operation) -> set[str]:
    opening = (scope for alternatives in operation.fields.values() for scope in "&".join(alternatives).split("&"))
    return {*operation.scopes, *opening}


@asynccontextmanager
async def running_workers(
    bus: Bus,
    outbox: Outbox | None,
    environ: Mapping[str, str],
    hosts: Mapping[str, EmbeddedWorker],
    services: Mapping[str, EmbeddedService],
) -> AsyncIterator[None]:
    """Runs workers (`hosts`) and services in this process while the context is open. `outbox` is the queue for journal
    records; `None` without a journal. Raises `SettingsError` for a wrong setting."""
    log.warning("embedded bus: gateway and workers share one process", extra={"hosted": [*hosts, *services]})
    async with AsyncExitStack() as stack:
        for host in hosts.values():
            await stack.enter_async_context(host.running(bus, environ))
        for service in services.values():
            await stack.enter_async_context(service.running(bus, environ, outbox))
        yield

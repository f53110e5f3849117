"""The embedded bus hosts every installed worker in the gateway's own process, found by entry point."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import entry_points
from typing import Protocol

from bouquet_proto.bus import Bus, Serving
from bouquet_proto.names import WORKERS
from bouquet_proto.offer import Offer, Operation

log = logging.getLogger(__name__)


class Hosted(Protocol):
    """What the gateway knows of a worker."""

    def offer(self) -> Offer: ...

    def running(self, bus: Bus, environ: Mapping[str, str]) -> AbstractAsyncContextManager[Serving]: ...


def installed() -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in entry_points(group=WORKERS)))


def installed_scopes() -> frozenset[str]:
    offers = [entry.load().offer() for entry in entry_points(group=WORKERS)]
    return frozenset(scope for offer in offers for operation in offer.operations for scope in _scopes(operation))


def _scopes(operation: Operation) -> set[str]:
    """Those that admit a call and those that open a field."""
    return {*operation.scopes, *(scope for opening in operation.fields.values() for scope in opening)}


@asynccontextmanager
async def hosting(bus: Bus, environ: Mapping[str, str], providers: Iterable[str]) -> AsyncIterator[None]:
    """Starts the workers; raises `SettingsError` when one of them lacks its settings."""
    log.warning("embedded bus: gateway and workers share one process", extra={"providers": list(providers)})
    async with AsyncExitStack() as stack:
        for entry in entry_points(group=WORKERS):
            if entry.name in providers:
                worker: Hosted = entry.load()
                await stack.enter_async_context(worker.running(bus, environ))
        yield

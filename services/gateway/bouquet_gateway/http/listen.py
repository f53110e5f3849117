"""Ports of a gateway. If several processes share the port for callers, each process also has its own port for health
and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bouquet_gateway.http.app import GatewayServices, make_app, make_process_app
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.http.accept import convert_listen_errors
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.http.server import serving


@asynccontextmanager
async def open_ports(services: GatewayServices, number: int, limits: Limits) -> AsyncIterator[int]:
    """Serves HTTP while the context is open, and yields the port that callers use. `number` is the number of this
    process, counted from 1, or 0 if the gateway has only one process."""
    # A numbered process also serves its health and metrics, at `port + number`.
    # Raises `SettingsError` for a port that is in use.
    host, port = services.settings.host, services.settings.port
    async with AsyncExitStack() as stack:
        if number:  # opened first and closed last, so that probes see the whole life of the process
            own = serving(make_process_app(services), host, port + number, limits=limits.for_operators())
            await stack.enter_async_context(own)
        shared = serving(make_app(services), host, port, limits=limits, reuse_port=number > 0)
        yield await stack.enter_async_context(shared)


async def check_ports_free(settings: GatewaySettings) -> None:
    """Raises `SettingsError` if another program already listens on a port that this gateway's processes need."""
    # With `reuse_port`, the kernel would share connections between two gateways that do not know each other.
    loop = asyncio.get_running_loop()
    for port in range(settings.port, settings.port + settings.processes + 1):
        with convert_listen_errors(settings.host, port):
            server = await loop.create_server(asyncio.Protocol, settings.host, port, start_serving=False)
        server.close()

"""Where a gateway listens: at its port, which it may share with its kind, and then at one of its own besides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bouquet_gateway.http.app import Parts, make_app, make_own_app
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.http.accept import can_listen
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.http.server import serving


@asynccontextmanager
async def open_doors(parts: Parts, number: int, limits: Limits) -> AsyncIterator[int]:
    """Gives the port that callers know. `number`: of several processes on it, from 1; 0 is alone.

    Raises `SettingsError`. The own door, where one of several tells its own state, opens first and closes last.
    """
    host, port = parts.settings.host, parts.settings.port
    async with AsyncExitStack() as stack:
        if number:
            await stack.enter_async_context(serving(make_own_app(parts), host, port + number, limits=limits))
        shared = serving(make_app(parts), host, port, limits=limits, reuse_port=number > 0)
        yield await stack.enter_async_context(shared)


async def find_free(settings: GatewaySettings) -> None:
    """Nobody else listens where these processes will: the kernel would give one of two families the other's calls.

    Raises `SettingsError`.
    """
    loop = asyncio.get_running_loop()
    for port in range(settings.port, settings.port + settings.processes + 1):
        with can_listen(settings.host, port):
            server = await loop.create_server(asyncio.Protocol, settings.host, port, start_serving=False)
        server.close()

"""Where a gateway listens: at its port, which it may share with others of its kind, and then at one of its own besides.

`SettingsError` where that cannot be.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bouquet_gateway.app import make_app, make_own_app
from bouquet_gateway.gateway import Gateway
from bouquet_gateway.server import serving
from bouquet_gateway.settings import GatewaySettings
from bouquet_proto.names import GATEWAY_PREFIX
from bouquet_proto.settings import SettingsError


@asynccontextmanager
async def open_doors(gateway: Gateway, number: int) -> AsyncIterator[int]:
    """Gives the port that callers know. `number`: of several processes on it, from 1; 0 is alone.

    The own door, where one of several tells its own state, opens first and closes last.
    """
    host, port = gateway.settings.host, gateway.settings.port
    async with AsyncExitStack() as stack:
        try:
            if number:
                await stack.enter_async_context(serving(make_own_app(gateway), host, port + number))
            port = await stack.enter_async_context(serving(make_app(gateway), host, port, reuse_port=number > 0))
        except OSError as error:
            raise _cannot_listen(port, error) from None
        yield port


async def find_free(settings: GatewaySettings) -> None:
    """Nobody else listens where these processes will: the kernel would give one of two families the other's calls."""
    loop = asyncio.get_running_loop()
    for port in range(settings.port, settings.port + settings.processes + 1):
        try:
            server = await loop.create_server(asyncio.Protocol, settings.host, port, start_serving=False)
        except OSError as error:
            raise _cannot_listen(port, error) from None
        server.close()


def _cannot_listen(port: int, error: OSError) -> SettingsError:
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return SettingsError([f"{GATEWAY_PREFIX}PORT: {port} cannot be listened on ({reason})"])

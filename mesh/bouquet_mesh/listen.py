"""Listening on a port: an address that cannot be listened on is a wrong setting."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web

from bouquet_mesh.settings import LAST_PORT, SettingsError


@contextmanager
def can_listen(host: str, port: int) -> Iterator[None]:
    """Around the start of a server: an address that is taken, or nowhere, is a wrong setting."""
    if not 0 <= port <= LAST_PORT:  # uvloop would take what is left of it in 16 bits
        raise SettingsError([f"{host}:{port}: cannot be listened on: ports end at {LAST_PORT}"])
    try:
        yield
    except OSError as error:
        named = isinstance(error, socket.gaierror) or error.errno is None
        why = error.strerror if named else os.strerror(error.errno or 0)
        raise SettingsError([f"{host}:{port}: cannot be listened on: {why}"]) from None


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, *, drain_s: float = 0.5, ends_with_client: bool = True
) -> AsyncIterator[str]:
    """Serves an application for the life of the context; gives its base URL. Port 0 takes a free one.

    When the context is left, running handlers have `drain_s` to end. `ends_with_client`: a handler whose client hangs
    up is cancelled. Bodies are not decompressed. Raises `SettingsError` for an address that cannot be listened on.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=drain_s,
        handler_cancellation=ends_with_client,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        with can_listen(host, port):
            await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()

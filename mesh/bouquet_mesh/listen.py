"""Context manager that runs an HTTP server and yields its URL."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bouquet_mesh.http.limits import Limits
from bouquet_mesh.http.server import serving


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str,
    port: int,
    *,
    limits: Limits | None = None,
    drain_s: float = 0.5,
    ends_with_client: bool = True,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """Serves an application while the context is open, and yields its base URL; port 0 takes a free port. The other
    arguments are those of `server.serving`. Raises `SettingsError` for an address on which the process cannot
    listen."""
    # With `tls`, connections are encrypted.
    scheme = "http" if tls is None else "https"
    async with serving(
        app, host, port, limits=limits, drain_s=drain_s, ends_with_client=ends_with_client, tls=tls
    ) as bound:
        yield f"{scheme}://{host}:{bound}"

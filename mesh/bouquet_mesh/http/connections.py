"""All connections of one listening port: how many there may be, and how long each may take."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

from aiohttp import web

from bouquet_mesh.http.answers import REFUSALS
from bouquet_mesh.http.connection import Connection, Cut
from bouquet_mesh.http.handler import Handler
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.observe import metrics

READ_BYTES = 32_768
"""Of one body: what is read ahead of its handler, which may be busy or not read it at all, is at most twice as much."""


class Connections:
    """Makes the protocol of each new connection."""

    def __init__(self, server: web.Server, limits: Limits) -> None:
        self._limits = limits
        self._server = server
        self._open: set[Connection] = set()
        for why in get_args(Cut):
            metrics.http_closed(why)  # from 0 on, so that a rate sees the first one
        for reason in REFUSALS:
            metrics.http_refused(reason)
        self._options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "max_line_size": limits.line_bytes,
            "max_field_size": limits.field_bytes,
            "max_headers": limits.headers,
            # Ours ends first, and is counted.
            "keepalive_timeout": 2 * limits.idle_s + 60,
            "read_bufsize": READ_BYTES,
            "lingering_time": limits.lingering_s,
        }

    def __call__(self) -> Connection:
        return Connection(self._limits, self._open, self._handler_of)

    def _handler_of(self, connection: Connection) -> Handler:
        return Handler(connection, self._server, **self._options)

    async def watch(self) -> None:
        """Closes those that are late, for ever. One look at all of them costs less than a timer for each request."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._limits.looked_at_every_s)
            now = loop.time()
            for connection in tuple(self._open):
                connection.close_if_late(now)

"""The connections of one listening port, and the periodic check of their time limits."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

from aiohttp import web

from bouquet_mesh.http.connection import CloseReason, Connection
from bouquet_mesh.http.connection_slots import ConnectionSlots
from bouquet_mesh.http.handler import Handler
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.http.refusals import REFUSALS
from bouquet_mesh.observe import metrics

READ_BYTES = 32_768


class ConnectionFactory:
    """Factory of the asyncio protocol for each new connection of a port."""

    def __init__(self, server: web.Server, limits: Limits) -> None:
        self.is_stopping = False
        """Whether the server is stopping. If so, it accepts no new connection, and closes each open one after its
        present answer."""
        self._limits = limits
        self._server = server
        self._slots: ConnectionSlots[Connection] = ConnectionSlots(limits)
        for reason in get_args(CloseReason):
            metrics.http_closed(reason)  # from 0 on, so that a rate sees the first one
        for reason in REFUSALS:
            metrics.http_refused(reason)
        self._options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "max_line_size": limits.line_bytes,
            "max_field_size": limits.field_bytes,
            "max_headers": limits.headers,
            # Longer than the limit in `Limits`, whose expiry is counted.
            "keepalive_timeout": 2 * limits.idle_s + 60,
            "read_bufsize": READ_BYTES,
            "lingering_time": limits.lingering_s,
        }

    def __call__(self) -> Connection:
        return Connection(self._limits, self._slots, self._handler_of)

    def _handler_of(self, connection: Connection) -> Handler:
        return Handler(connection, self._server, **self._options)

    async def watch(self) -> None:
        """Checks the connections at regular intervals until cancelled, and closes those that exceed a time limit. If
        the process has too few file descriptors, also closes connections that have waited longest for their clients."""
        # One periodic check costs less than a timer for each request.
        loop = asyncio.get_running_loop()
        while True:
            self._slots.adapt_to_descriptors()
            await asyncio.sleep(self._limits.check_interval_s)
            now = loop.time()
            for connection in self._slots.open_connections():
                connection.close_if_late(now)

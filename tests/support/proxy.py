"""A TCP proxy with which tests cut, hold or slow down connections."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

from yarl import URL

from tests.support.daemon import free_port

RESUMED_CHECK_EVERY_S = 0.02
"""Seconds between checks, while data from clients is held back, that it still is."""


class TcpProxy:
    """A TCP proxy in front of a server. It refuses connections until it is opened. It forwards data in pieces of
    `piece_bytes`, each after `delay_s` seconds."""

    def __init__(self, server_url: str) -> None:
        server = URL(server_url)
        assert server.port
        self._server_port = server.port
        self._port = free_port()
        self.url = str(server.with_port(self._port))
        self.delay_s = 0.0
        self.piece_bytes = 65536
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self._listener: asyncio.Server | None = None
        self._flows: set[asyncio.Task[None]] = set()
        self._orphans: list[asyncio.StreamWriter] = []
        self._forgetting = False
        self.resume()

    @property
    def connections(self) -> int:
        return len(self._flows)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def close(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None
        await self._cut()
        for orphan in self._orphans:
            orphan.transport.abort()

    async def _cut(self) -> None:
        for flow in self._flows:
            flow.cancel()
        await asyncio.gather(*self._flows, return_exceptions=True)

    async def orphan_connections(self) -> None:
        """Closes every connection to a client and keeps the connections to the server open, as if the network had lost
        the clients."""
        self._forgetting = True
        await self._cut()
        self._forgetting = False

    def hold(self, *, from_client: bool = True, from_server: bool = True) -> None:
        """Stops forwarding data from clients (`from_client`), from the server (`from_server`), or both. Connections
        stay open until their client closes them."""
        if from_client:
            self._there.clear()
        if from_server:
            self._back.clear()

    def resume(self) -> None:
        """Forwards data again at full speed, beginning with the data held back."""
        self.delay_s, self.piece_bytes = 0.0, 65536
        self._there.set()
        self._back.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flow = asyncio.create_task(self._carry(reader, writer))
        self._flows.add(flow)
        flow.add_done_callback(self._flows.discard)
        flow.add_done_callback(lambda _: writer.transport.abort())

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            try:
                await asyncio.gather(self._pump_there(reader, far_writer), self._pump_back(far_reader, writer))
            finally:
                if self._forgetting:
                    self._orphans.append(far_writer)
                else:
                    far_writer.transport.abort()

    async def _pump_there(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while piece := await client.read(self.piece_bytes):
            if not self._there.is_set():
                piece += await self._sent_until_resumed(client)
            await self._send(piece, server)
        raise ConnectionResetError

    async def _pump_back(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while piece := await server.read(self.piece_bytes):
            await self._back.wait()
            await self._send(piece, client)
        raise ConnectionResetError

    async def _sent_until_resumed(self, client: asyncio.StreamReader) -> bytes:
        """Waits until data from clients is forwarded again, and returns what the client has sent meanwhile. Raises
        `ConnectionResetError` if the client closes the connection."""
        sent = b""
        while not self._there.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(RESUMED_CHECK_EVERY_S):
                    piece = await client.read(self.piece_bytes)
                    if not piece:
                        raise ConnectionResetError
                    sent += piece
        return sent

    async def _send(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if writer.is_closing():  # what uvloop does not tell by an OSError
            raise ConnectionResetError
        writer.write(piece)
        await writer.drain()

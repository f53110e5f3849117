"""A single connection to the broker. After a loss, `link.py` opens another connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
from yarl import URL

from bouquet_mesh.amqp.channel import Channel, OnLost, open_channel
from bouquet_mesh.amqp.errors import bounded_close
from bouquet_mesh.amqp.wire import StreamFactory

CONNECT_TIMEOUT_S = 5.0
HEARTBEAT_S = 5
"""Seconds between heartbeats. After two or three missed heartbeats, the broker drops the connection
(docs/faults.md)."""
BLOCKED_CHECK_S = 0.01
"""Seconds after which a connection that accepts no messages counts as blocked (`Connection.is_blocked`)."""


class Connection:
    """Open connection to the broker. aio-pika manages the connection; `wire.py` reads and writes the messages on it."""

    def __init__(self, handle: _Handle, name: str) -> None:
        self._handle = handle
        self._name = name

    async def another(self) -> Connection:
        """Opens a second connection to the same broker node, with the same name. Raises one of the errors in
        `CONNECTION_LOST` if that fails."""
        return await connect(str(self._handle.url), self._name)

    def on_lost(self, report: OnLost) -> None:
        """Registers a callback that receives the error that ends the connection."""

        def lose(_: object, cause: object = None, /) -> None:
            report(cause if isinstance(cause, Exception) else ConnectionResetError())

        self._handle.close_callbacks.add(lose)

    async def channel(self, on_lost: OnLost | None = None, *, confirms: bool = False) -> Channel:
        """Opens a channel. Calls `on_lost`, unless it is None, with the error that ends the channel. If `confirms` is
        true, the broker confirms or refuses each message published on the channel."""
        return await open_channel(self._handle, self._handle.stream, on_lost, confirms=confirms)

    @asynccontextmanager
    async def temporary_channel(self) -> AsyncIterator[Channel]:
        """Yields a channel for an operation that the broker may refuse. A refusal closes only this channel."""
        channel = await self.channel()
        try:
            yield channel
        finally:
            async with bounded_close():
                await channel.close()

    def drop(self) -> None:
        """Stops reading and writing at once, without telling the broker. The publishers of unconfirmed messages get a
        `ConnectionResetError`."""
        self._handle.stream.close()

    async def is_blocked(self) -> bool:
        """Returns whether the broker has blocked the connection. A broker blocks connections while it is short of
        memory or disk."""
        transport = self._handle.transport
        if transport is None:
            return False
        try:
            async with asyncio.timeout(BLOCKED_CHECK_S):
                await transport.ready()  # aiormq exposes a blocked connection only as an event that is not set
        except TimeoutError:
            return True
        return False

    async def close(self) -> None:
        """Closes the connection, within `CLOSE_TIMEOUT_S` seconds. Raises no error if the broker does not answer."""
        async with bounded_close():
            await self._handle.close()


async def connect(url: str, name: str) -> Connection:
    """Connects to the broker, within `CONNECT_TIMEOUT_S` seconds. `name` identifies the connection to the broker's
    operators. Raises one of the errors in `CONNECTION_LOST` if the attempt fails."""
    # aiormq takes the heartbeat from the URL alone.
    handle = _Handle(URL(url).update_query(heartbeat=HEARTBEAT_S), client_properties={"connection_name": name})
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await handle.connect()
    except BaseException:
        handle.stream.abort()  # aio-pika leaves a connection open if it is cancelled just after the broker accepted it
        raise
    return Connection(handle, name)


class _Handle(aio_pika.Connection):
    """aio-pika connection that opens its sockets with `StreamFactory`, so that `wire.py` can read and write messages on
    them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stream = self.kwargs["transport_factory"] = StreamFactory()

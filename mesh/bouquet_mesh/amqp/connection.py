"""A connection to the broker, until its first loss: `link.py` makes the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika

from bouquet_mesh.amqp.channel import Channel, OnLost, open_channel
from bouquet_mesh.amqp.errors import leaving
from bouquet_mesh.amqp.wire import Stream

CONNECT_TIMEOUT_S = 5.0
HEARTBEAT_S = 5
"""The broker gives up a connection that is silent for two or three of them, with its consumers (docs/faults.md)."""
BLOCKED_WITHIN_S = 0.01


class Connection:
    def __init__(self, handle: _Handle) -> None:
        self._handle = handle

    def on_lost(self, hear: OnLost) -> None:
        """Calls `hear` with the error that ends the connection, from now on."""

        def lose(_: object, cause: object = None, /) -> None:
            hear(cause if isinstance(cause, Exception) else ConnectionResetError())

        self._handle.close_callbacks.add(lose)

    async def channel(self, on_lost: OnLost | None = None, *, confirms: bool = False) -> Channel:
        """Opens one. `confirms`: the broker says what becomes of each message that is published on it."""
        return await open_channel(self._handle, self._handle.stream, on_lost, confirms=confirms)

    @asynccontextmanager
    async def temporary_channel(self) -> AsyncIterator[Channel]:
        """Opens a channel for one question that the broker may refuse: a refusal ends the channel."""
        channel = await self.channel()
        try:
            yield channel
        finally:
            async with leaving():
                await channel.close()

    def drop(self) -> None:
        """Nothing comes or goes any more; what was published and not confirmed is settled with
        `ConnectionResetError`."""
        self._handle.stream.close()

    async def is_blocked(self) -> bool:
        """Whether the broker has said that it takes no messages, for want of memory or disk."""
        transport = self._handle.transport
        if transport is None:
            return False
        try:
            async with asyncio.timeout(BLOCKED_WITHIN_S):
                await transport.ready()  # all that aiormq tells of it is an event that is not set
        except TimeoutError:
            return True
        return False

    async def close(self) -> None:
        async with leaving():
            await self._handle.close()


async def connect(url: str, name: str) -> Connection:
    """`name` is what the broker's operators see. Raises what a broken connection raises (`LOST`), within
    `CONNECT_TIMEOUT_S`."""
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        handle = await aio_pika.connect(
            url, connection_class=_Handle, client_properties={"connection_name": name}, heartbeat=HEARTBEAT_S
        )
    return Connection(handle)


class _Handle(aio_pika.Connection):
    """aio-pika's, over a stream that keeps the messages from aiormq."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stream = self.kwargs["transport_factory"] = Stream()

"""Trial run of a component of the bus, such as a consumer, on a connection of its own. The `doctor` commands use it."""

from __future__ import annotations

import asyncio
from typing import Any

from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.amqp.errors import cancellation_as_loss
from bouquet_mesh.amqp.link import Component


async def trial_run(connection: Connection, component: Component) -> None:
    """Checks that a component can work on this connection: starts, probes and stops it. Raises one of the errors
    in `CONNECTION_LOST` if a step fails."""
    # The component's channels stay open until the connection is closed.
    lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    def lose(cause: Exception) -> None:
        if not lost.done():
            lost.set_result(cause)

    async def start() -> None:
        with cancellation_as_loss():
            await component.start(connection, lose)
            await component.probe()

    starting = asyncio.create_task(start())
    ends: list[asyncio.Future[Any]] = [starting, lost]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            raise lost.result()
        await starting
    finally:
        component.stop()
        starting.cancel()
        await asyncio.wait([starting])

"""Choice of the bus, over RabbitMQ or in memory, by the URL in the settings."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bouquet_mesh.bus.api import Bus
from bouquet_mesh.settings import is_embedded


@asynccontextmanager
async def open_bus(url: str, name: str, *, max_age_s: float = math.inf) -> AsyncIterator[Bus]:
    """Opens the bus on RabbitMQ (URL `amqp(s)://…`) or in memory (`memory:`). The broker's operators see the connection
    as `name`. With several nodes in the URL, the connection moves to a random node after at most `max_age_s`
    seconds."""
    if is_embedded(url):
        from bouquet_mesh.bus.memory import MemoryBus

        yield MemoryBus()
    else:
        from bouquet_mesh.bus.amqp import open_amqp_bus

        async with open_amqp_bus(url, name, max_age_s=max_age_s) as bus:
            yield bus

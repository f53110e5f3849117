"""Choice of the outbox (queue of journal records), on RabbitMQ or in memory, by the URL in the settings."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.settings import is_embedded


@asynccontextmanager
async def open_outbox(url: str, name: str, *, max_age_s: float = math.inf) -> AsyncIterator[Outbox]:
    """Opens the outbox at `url`, on RabbitMQ (`amqp(s)://…`) or in memory (`memory:`). `name` and `max_age_s` concern
    only RabbitMQ, as in `open_amqp_outbox`. In memory, senders and collectors must share the returned object."""
    if is_embedded(url):
        from bouquet_mesh.outbox.memory import MemoryOutbox

        yield MemoryOutbox()
    else:
        from bouquet_mesh.outbox.amqp import open_amqp_outbox

        async with open_amqp_outbox(url, name, max_age_s=max_age_s) as outbox:
            yield outbox

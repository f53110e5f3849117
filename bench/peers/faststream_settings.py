"""FastStream's settings: the fastest that give the same guarantees as Bouquet.

- msgspec instead of pydantic, because it is faster;
- no logging, non-persistent messages, and a prefetch count as large as the largest number of concurrent requests;
- requests are published as mandatory and are confirmed by RabbitMQ; replies are not confirmed.

The HTTP server in front of FastStream is aiohttp, since FastAPI was slower.
"""

from __future__ import annotations

from fast_depends.msgspec import MsgSpecSerializer
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

from bench.peers.dialect import CONCURRENCY

QUEUE = RabbitQueue("bench.faststream", auto_delete=True)


def broker_of(url: str, *, confirms: bool) -> RabbitBroker:
    return RabbitBroker(
        url,
        logger=None,
        serializer=MsgSpecSerializer(use_fastdepends_errors=False),
        default_channel=Channel(prefetch_count=CONCURRENCY, publisher_confirms=confirms),
    )

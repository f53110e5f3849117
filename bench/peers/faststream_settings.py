"""FastStream's settings: the fastest ones with the same guarantees as Bouquet's.

- msgspec, FastStream's faster alternative to pydantic;
- no log, messages that are not persistent, a prefetch count as large as the largest number of concurrent requests;
- mandatory, confirmed requests, and replies without confirms.

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

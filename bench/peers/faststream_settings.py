"""FastStream's settings: the fastest ones with the same guarantees as Bouquet's.

- msgspec instead of pydantic, which FastStream offers for speed;
- no log, messages that are not persistent, a prefetch count as large as the largest window;
- mandatory, confirmed requests, and replies without confirms.

Its HTTP front is aiohttp, since FastAPI was slower.
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

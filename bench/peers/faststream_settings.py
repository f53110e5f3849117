"""FastStream's best fair settings, each the cheaper one where there is a choice.

- msgspec in place of pydantic, which FastStream offers for speed;
- no log, messages that are not persistent, as many unacknowledged ones as the widest window has requests;
- the promises that Bouquet makes and no more: requests are mandatory and confirmed, replies are not.

Its HTTP side is aiohttp, as ours is: FastAPI in its place made it slower (shared measurements, 2a).
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

"""AMQP frames as bytes, written by the library pamqp, and a transport that keeps what is written to it."""

from __future__ import annotations

import asyncio

import pamqp.frame
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

CHANNEL = 3
MAX_FRAME_BYTES = 131_064


def marshalled(*parts: Frame | ContentBody | ContentHeader | Heartbeat, channel: int = CHANNEL) -> bytes:
    """Returns frames of one channel as bytes."""
    return b"".join(pamqp.frame.marshal(part, channel) for part in parts)


def delivered(tag: int, body: bytes, properties: Basic.Properties) -> bytes:
    """Returns the delivery of a message as bytes, with its body in two frames if it has more than two bytes. Only the
    delivery with tag 2 is a redelivery."""
    deliver = Basic.Deliver(consumer_tag="ctag", delivery_tag=tag, redelivered=tag == 2, exchange="x", routing_key="k")
    halves = [ContentBody(half) for half in (body[:2], body[2:]) if half]
    return marshalled(deliver, ContentHeader(body_size=len(body), properties=properties), *halves)


class Sink(asyncio.WriteTransport):
    """Transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def is_closing(self) -> bool:
        return False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.written += data

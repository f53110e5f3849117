"""Tests of decoders with random and damaged bytes. A decoder must refuse such bytes with its own error, and never crash
or hang. `make fuzz MINUTES=n` tries more bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from bouquet_gateway.offers.checks import read_offer
from bouquet_gateway.offers.reply_schema import ReplySchema
from bouquet_mesh.amqp.wire import BatchingWriter, Delivery, FrameReader, Wire
from bouquet_proto import access_record
from bouquet_proto.messages import Failed, Found, NotFound, Recorded, Rejected, decode_reply, decode_request, encode
from tests.support.amqp_frames import CHANNEL, MAX_FRAME_BYTES, Sink, delivered, marshalled

SAMPLES = Path(__file__).parent / "samples"
OFFERS = Path(__file__).parents[2] / "proto" / "offers"
RECORD = access_record.encode(
    access_record.Access(id="1", at=1.5, outcome="found", status=200, person="a1", operation="op")
)

PIECES = st.sampled_from(
    [b"", b"null", b"{}", b"[]", b'"', b"\\ud800", b"\xff", b"1e999", b"-0", b"9" * 400, b"[" * 3000, b'{"a":' * 3000]
)
"""Bytes that often break parsers. Tests put them into messages."""


WHOLE = {
    "a request": [path.read_bytes() for path in sorted(SAMPLES.rglob("*.json"))],
    "a reply": [path.read_bytes() for path in sorted(SAMPLES.rglob("*.json"))],
    "an offer": [(OFFERS / "cnaf.json").read_bytes()],
    "a record of the journal": [RECORD],
    "frames": [
        marshalled(Basic.QosOk())
        + delivered(1, b"hello", Basic.Properties(reply_to="home", headers={"a": "b"}, expiration="9000"))
        + marshalled(Heartbeat(), channel=0),
        marshalled(Basic.Ack(delivery_tag=3, multiple=True), Channel.FlowOk(active=True))
        + delivered(2, b"x" * 300, Basic.Properties(correlation_id="c")),
        marshalled(Basic.Return(reply_code=312, exchange="", routing_key="q"))
        + marshalled(ContentHeader(body_size=1, properties=Basic.Properties(message_id="2")), ContentBody(b"x")),
    ],
}
"""Valid messages by kind, from which `damaged` makes invalid ones."""


@st.composite
def damaged(draw: st.DrawFn, kind: str) -> bytes:
    """Draws a valid message of the given kind, then removes, doubles or replaces up to three pieces of it."""
    body = WHOLE[kind][draw(st.integers(0, len(WHOLE[kind]) - 1))]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 40)))
        piece = draw(st.one_of(st.binary(max_size=20), PIECES, st.just(body[start:end] * 2)))
        body = body[:start] + piece + body[end:]
    return body


def read_request(body: bytes) -> None:
    """Decodes bytes as a request. If the decoder accepts them, asserts that the request survives being encoded and
    decoded again."""
    try:
        request = decode_request(body)
    except msgspec.DecodeError:
        return
    assert decode_request(encode(request)) == request


def read_reply(body: bytes) -> None:
    match decode_reply(body):
        case Found(data=data) | Recorded(body=data):
            with suppress(msgspec.ValidationError):  # a number that no float holds: the gateway refuses its shape
                msgspec.json.decode(data)
        case NotFound() | Rejected() | Failed() as reply:
            assert decode_reply(encode(reply)) == reply


def read_offered(body: bytes) -> None:
    """Decodes an offer as the gateway does. If the gateway does not refuse it, asserts that its schemas can be used."""
    offer = read_offer("cnaf", Raw(body), {}).offer
    if offer is None:
        return
    assert offer.provider == "cnaf"
    for operation in offer.operations:
        ReplySchema(operation.schema, gated=operation.gated).read(Raw(b"{}"))
        msgspec.json.encode(operation.schema)


def read_record(body: bytes) -> None:
    try:
        record = access_record.decode(body)
    except msgspec.DecodeError:
        return
    assert access_record.decode(access_record.encode(record)) == record


READERS: dict[str, Callable[[bytes], None]] = {
    "a request": read_request,
    "a reply": read_reply,
    "an offer": read_offered,
    "a record of the journal": read_record,
}


def read_frames(body: bytes) -> None:
    whole = heard(body, max(1, len(body)))
    for piece_bytes in (1, 7):
        assert heard(body, piece_bytes) == whole


def heard(data: bytes, piece_bytes: int) -> tuple[list[Delivery], bytes | None]:
    """Feeds `data` to the frame reader in pieces of `piece_bytes` bytes. Returns the messages that the reader delivers
    itself, and the other bytes, which it leaves to aiormq (None after an error)."""
    came: list[Delivery] = []
    with asyncio.Runner() as runner:
        wire = Wire(CHANNEL, MAX_FRAME_BYTES, BatchingWriter(Sink()))
        wire.deliver = came.append
        reader = FrameReader({CHANNEL: wire}, runner.get_loop())
        for start in range(0, len(data), piece_bytes):
            reader.feed_data(data[start : start + piece_bytes])
        reader.feed_eof()
        return came, runner.run(reader.read()) if reader.exception() is None else None


READERS["frames"] = read_frames
ROUND = 200


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # of long bytes, where they are a failure
@pytest.mark.parametrize("kind", READERS)
def test_no_bytes_break_a_decoder(kind: str, request: pytest.FixtureRequest) -> None:
    minutes = request.config.getoption("--fuzz-minutes", default=None)
    until = time.monotonic() + (minutes or 0) * 60 / len(READERS)

    same_again = settings(max_examples=ROUND, database=None, suppress_health_check=list(HealthCheck))
    chosen = same_again if minutes is None else settings(same_again, derandomize=False)

    @chosen
    @given(st.one_of(st.binary(max_size=200), damaged(kind)))
    def fuzz(body: bytes) -> None:
        READERS[kind](body)

    fuzz()
    while time.monotonic() < until:
        fuzz()

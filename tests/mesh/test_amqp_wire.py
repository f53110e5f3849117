"""Tests of Bouquet's own AMQP code: it writes the same frames as the library pamqp, and it reads message frames before
aiormq sees them."""

from __future__ import annotations

import asyncio
import gc
import struct
import weakref
from collections.abc import Iterator

import pamqp.frame
import pytest
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from bouquet_mesh.amqp import frames
from bouquet_mesh.amqp.frames import Properties, ack, message, read_header
from bouquet_mesh.amqp.wire import MAX_BODY_BYTES, BatchingWriter, FrameReader, Wire
from bouquet_mesh.outbox.packages import MAX_PACKAGE_BYTES, MAX_PACKAGE_RECORDS, pack, unpack
from bouquet_proto.messages import MAX_BYTES
from tests.support.amqp_frames import CHANNEL, MAX_FRAME_BYTES, Sink, delivered, marshalled

OURS = Properties(correlation_id="c" * 32, reply_to="bouquet.replies.ab", expires_ms=9000, message_id="7")


def unmarshalled(data: bytes) -> Iterator[tuple[int, object]]:
    while data:
        size, channel, frame = pamqp.frame.unmarshal(data)
        yield channel, frame
        data = data[size:]


@pytest.mark.parametrize("properties", [Properties(), OURS, Properties(is_persistent=True, message_id="1")])
def test_pamqp_decodes_the_frames_of_a_message(properties: Properties) -> None:
    written = message(
        CHANNEL, b"abcde", properties, exchange="é", routing_key="bouquet.q.cnaf", mandatory=True, max_payload_bytes=2
    )
    frames = [frame for channel, frame in unmarshalled(written) if channel == CHANNEL]
    publish, header, *bodies = frames
    assert isinstance(publish, Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("é", "bouquet.q.cnaf", True)
    assert isinstance(header, ContentHeader)
    theirs = header.properties
    assert (header.body_size, theirs.content_type, theirs.delivery_mode) == (
        5,
        "application/json",
        2 if properties.is_persistent else 1,
    )
    for name in ("correlation_id", "reply_to", "message_id"):
        assert (getattr(theirs, name) or "") == getattr(properties, name)
    assert int(theirs.expiration or 0) == properties.expires_ms
    assert [body.value for body in bodies if isinstance(body, ContentBody)] == [b"ab", b"cd", b"e"]


def test_an_empty_message_has_no_body_frame() -> None:
    written = message(CHANNEL, b"", OURS, exchange="", routing_key="q", mandatory=False, max_payload_bytes=10)
    assert len(list(unmarshalled(written))) == 2


@pytest.mark.parametrize("multiple", [True, False])
def test_pamqp_decodes_an_acknowledgement(multiple: bool) -> None:
    [(channel, frame)] = unmarshalled(ack(CHANNEL, 2**40, multiple=multiple))
    assert isinstance(frame, Basic.Ack)
    assert (channel, frame.delivery_tag, frame.multiple) == (CHANNEL, 2**40, multiple)


@pytest.mark.parametrize(
    "theirs",
    [
        Basic.Properties(),
        Basic.Properties(correlation_id="c", message_id="m"),
        Basic.Properties(
            content_type="t",
            content_encoding="e",
            headers={"a": 1, "b": {"c": "d"}},
            delivery_mode=2,
            priority=9,
            correlation_id="c",
            reply_to="r",
            expiration="1",
            message_id="m",
            timestamp=None,
            message_type="x",
            user_id="u",
            app_id="app",
        ),
    ],
)
def test_a_header_with_any_amqp_properties_is_read(theirs: Basic.Properties) -> None:
    frame = marshalled(ContentHeader(body_size=12, properties=theirs))
    size, ours = read_header(frame, frames.FRAME.size)
    assert size == 12
    for name in ("correlation_id", "reply_to", "message_id"):
        assert getattr(ours, name) == (getattr(theirs, name) or "")
    assert ours.expires_ms == int(theirs.expiration or 0)


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5"])
def test_an_expiration_that_is_not_a_number_is_read_as_none(text: str) -> None:
    properties = Basic.Properties(expiration=text, message_id="m")
    _, ours = read_header(marshalled(ContentHeader(body_size=0, properties=properties)), frames.FRAME.size)
    assert (ours.expires_ms, ours.message_id) == (0, "m")


def test_a_correlation_id_that_is_not_utf8_is_echoed_unchanged() -> None:
    frame = marshalled(ContentHeader(body_size=0, properties=Basic.Properties(correlation_id="abc")))
    _, ours = read_header(frame.replace(b"abc", b"a\xffc"), frames.FRAME.size)
    reply = message(CHANNEL, b"", ours, exchange="", routing_key="", mandatory=False, max_payload_bytes=10)
    assert b"a\xffc" in reply


@pytest.fixture
async def wire() -> Wire:
    return Wire(CHANNEL, MAX_FRAME_BYTES, BatchingWriter(Sink()))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 10_000])
async def test_message_frames_bypass_aiormq_however_the_stream_is_split(wire: Wire, chunk_bytes: int) -> None:
    came: list[tuple[int, bool, str, bytes]] = []
    wire.deliver = lambda one: came.append((one.tag, one.redelivered, one.properties.reply_to, one.body))
    theirs: list[Frame | Heartbeat] = [Basic.QosOk(), Channel.FlowOk(active=True)]
    whole = (
        marshalled(Basic.QosOk())
        + delivered(1, b"hello", Basic.Properties(reply_to="home", headers={"a": "b"}))
        + marshalled(Heartbeat(), channel=0)
        + delivered(2, b"", Basic.Properties())
        + marshalled(Channel.FlowOk(active=True))
    )
    reader = FrameReader({CHANNEL: wire}, asyncio.get_running_loop())
    for start in range(0, len(whole), chunk_bytes):
        reader.feed_data(whole[start : start + chunk_bytes])
    reader.feed_eof()
    assert came == [(1, False, "home", b"hello"), (2, True, "", b"")]
    passed = list(unmarshalled(await reader.read()))
    assert [type(frame) for _, frame in passed] == [type(theirs[0]), Heartbeat, type(theirs[1])]


def feed(wire: Wire, data: bytes) -> None:
    FrameReader({CHANNEL: wire}, asyncio.get_running_loop()).feed_data(data)


HOSTILE = {
    "a frame without end": frames.FRAME.pack(frames.BODY, CHANNEL, 2**32 - 1) + b"x" * 64,
    "a frame that ends otherwise": marshalled(Basic.QosOk())[:-1] + b"\x00",
    "a body of more than its header says": delivered(1, b"ab", Basic.Properties()) + marshalled(ContentBody(b"more")),
    "a body without a header": marshalled(ContentBody(b"more")),
    "a return of nothing we sent": marshalled(
        Basic.Return(reply_code=312, exchange="", routing_key="q"), ContentHeader(body_size=0)
    ),
}


@pytest.mark.parametrize("bytes_", HOSTILE)
async def test_an_invalid_frame_ends_the_connection_and_later_frames_are_ignored(bytes_: str, wire: Wire) -> None:
    came: list[int] = []
    wire.deliver = lambda one: came.append(one.tag)
    reader = FrameReader({CHANNEL: wire}, asyncio.get_running_loop())
    reader.feed_data(HOSTILE[bytes_])
    reader.feed_data(delivered(9, b"later", Basic.Properties()))
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert 9 not in came


LYING = frames.FRAME.pack(frames.HEADER, CHANNEL, 18) + struct.pack(
    ">HHQHB3s", 60, 0, 0, frames.CORRELATION_ID, 200, b"abc"
)


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1000])
async def test_a_false_length_inside_a_frame_does_not_read_the_next_frame(wire: Wire, chunk_bytes: int) -> None:
    data = LYING + frames.END + marshalled(Heartbeat(), channel=0) * 40
    reader = FrameReader({CHANNEL: wire}, asyncio.get_running_loop())
    for start in range(0, len(data), chunk_bytes):
        reader.feed_data(data[start : start + chunk_bytes])
    assert isinstance(reader.exception(), ConnectionResetError)


async def test_the_rest_of_a_message_above_the_size_limit_is_dropped(wire: Wire) -> None:
    came: list[int] = []
    wire.deliver = lambda one: came.append(len(one.body))
    part, parts = b"x" * 131_064, 400
    deliver = Basic.Deliver(consumer_tag="ctag", delivery_tag=1, exchange="x", routing_key="k")
    feed(wire, marshalled(deliver, ContentHeader(body_size=parts * len(part), properties=Basic.Properties())))
    for _ in range(parts):
        feed(wire, marshalled(ContentBody(part)))
    [size] = came
    assert MAX_BYTES < size < MAX_BODY_BYTES + len(part)


class Published:
    def __init__(self, wire: Wire) -> None:
        self.ends: list[str] = []
        wire.publish(b"x", Properties(), self._settled, queue="q")

    def _settled(self, trouble: Exception | None) -> None:
        self.ends.append(type(trouble).__name__ if trouble else "confirmed")


async def test_a_confirm_of_multiple_settles_all_messages_up_to_its_tag(wire: Wire) -> None:
    published = [Published(wire) for _ in range(4)]
    feed(wire, marshalled(Basic.Ack(delivery_tag=3, multiple=True)))
    assert [one.ends for one in published] == [["confirmed"]] * 3 + [[]]
    feed(wire, marshalled(Basic.Nack(delivery_tag=4)))
    assert [one.ends for one in published] == [["confirmed"]] * 3 + [["MessageRefused"]]


async def test_a_returned_message_is_settled_as_returned_although_it_is_confirmed_later(wire: Wire) -> None:
    first, second = Published(wire), Published(wire)
    returned = Basic.Return(reply_code=312, reply_text="NO_ROUTE", exchange="", routing_key="q")
    header = ContentHeader(body_size=1, properties=Basic.Properties(message_id="2"))
    feed(wire, marshalled(returned, header, ContentBody(b"x"), Basic.Ack(delivery_tag=2, multiple=True)))
    assert (first.ends, second.ends) == (["confirmed"], ["MessageReturned"])


async def test_closing_a_channel_settles_its_unconfirmed_messages(wire: Wire) -> None:
    waiting = Published(wire)
    feed(wire, marshalled(Channel.Close(404, "NOT_FOUND", 60, 40)))
    late = Published(wire)
    wire.close()
    assert (waiting.ends, late.ends) == (["ConnectionResetError"], ["ConnectionResetError"])


async def test_a_settled_message_is_freed(wire: Wire) -> None:
    kept = weakref.WeakSet(published := [Published(wire) for _ in range(3)])
    feed(wire, marshalled(Basic.Ack(delivery_tag=1)) + marshalled(Basic.Nack(delivery_tag=2)))
    del published
    gc.collect()
    assert len(kept) == 1
    wire.close()
    gc.collect()
    assert len(kept) == 0


@pytest.mark.parametrize(
    "bodies",
    [
        [],
        [b""],
        [b"%d" % n for n in range(3 * MAX_PACKAGE_RECORDS + 1)],
        [b"x" * (MAX_PACKAGE_BYTES // 2)] * 5,
        [b"y" * 300_000],
    ],
)
def test_records_packed_into_messages_are_unpacked_in_order(bodies: list[bytes]) -> None:
    packages = list(pack(bodies))
    assert [body for package in packages for body in unpack(package)] == bodies
    assert all(len(unpack(package)) <= MAX_PACKAGE_RECORDS for package in packages)
    assert len(packages) <= len(bodies)


@pytest.mark.parametrize("foreign", [b"", b"{}", b"\xc1", b"\x90", b"[1]"])
def test_a_message_that_was_not_packed_is_unpacked_as_one_record(foreign: bytes) -> None:
    assert unpack(foreign) == [foreign]

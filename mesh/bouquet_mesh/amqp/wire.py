"""Fast reading and writing of messages on the socket of an aiormq connection. aiormq itself handles all other
frames."""
# aiormq makes an object and a task for each frame. For messages, these would cost most of a call's time
# (docs/performance.md).

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import takewhile
from struct import error as StructError
from typing import Any, SupportsIndex, TypeAlias

import msgspec
from aiormq.connection import SSLContextProvider, TransportFactory
from yarl import URL

from bouquet_mesh.amqp import frames
from bouquet_mesh.amqp.errors import MessageRefused, MessageReturned
from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.tls.certificates import CertificateObserver

OnSettled: TypeAlias = Callable[[Exception | None], object]
"""Callback with the result of publishing a message: None if the broker has accepted the message, otherwise the
error."""

MAX_FRAME_BYTES = 1 << 20
"""Largest size, in bytes, of a frame that is read. A larger frame ends the connection."""
# RabbitMQ sends at most 128 kB, unless its operator chose otherwise.
MAX_BODY_BYTES = 4 << 20
"""Largest size, in bytes, of a message's body. The rest of a larger body is dropped, and the message counts as
malformed."""


class Delivery(msgspec.Struct, frozen=True):
    tag: int
    """Delivery tag: number with which the consumer acknowledges the message."""
    redelivered: bool
    properties: Properties
    body: bytes


Deliver: TypeAlias = Callable[[Delivery], object]


class StreamFactory(TransportFactory):
    """Factory that opens sockets for aiormq. Message frames go to `Wire` objects instead of aiormq."""

    def __init__(self) -> None:
        self._wires: dict[int, Wire] = {}
        self._transport: asyncio.WriteTransport | None = None

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connects to `url`, and returns a stream reader and writer. aiormq calls this method, and chooses the
        `options` of the connection."""
        contexts: SSLContextProvider = options.pop("ssl_context_provider")
        context = await contexts.get_context() if url.scheme == "amqps" else None
        if context:
            context.sslobject_class = CertificateObserver
        loop = asyncio.get_running_loop()
        reader = FrameReader(self._wires, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        assert url.host and url.port
        transport, _ = await loop.create_connection(lambda: protocol, url.host, url.port, ssl=context, **options)
        self._transport, self._outlet = transport, BatchingWriter(transport)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def wire(self, channel: int, max_payload_bytes: int) -> Wire:
        """Returns a new `Wire` for the channel with this number. Sent frames have at most `max_payload_bytes` of
        payload."""
        wire = self._wires[channel] = Wire(channel, max_payload_bytes, self._outlet)
        return wire

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()

    def abort(self) -> None:
        """Closes the socket at once, if one was opened."""
        if self._transport is not None:
            self._transport.abort()


class BatchingWriter:
    """Writer that sends all frames of one event loop iteration in one system call."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._leaving: list[bytes] = []

    def write(self, frames: bytes) -> None:
        """Queues frames for the socket. Raises `ConnectionResetError` on a closing connection."""
        # All frames of a message must come in one call, since aiormq writes frames of its own between calls.
        if self._transport.is_closing():
            raise ConnectionResetError
        if not self._leaving:
            asyncio.get_running_loop().call_soon(self._flush)
        self._leaving.append(frames)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._leaving))
        self._leaving.clear()


class FrameReader(asyncio.StreamReader):
    """Stream reader that gives the frames of messages to the `Wire` of their channel, and all other frames to
    aiormq."""

    def __init__(self, wires: dict[int, Wire], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._wires = wires
        self._incomplete = b""

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Reads the frames in `data`. After an invalid frame, reading fails with `ConnectionResetError`."""
        # The start of the next frame is then unknown.
        if self.exception() is not None:
            return
        try:
            self._pass_frames(self._incomplete + bytes(data))
        except (ValueError, IndexError, StructError) as error:
            self._incomplete = b""
            self.set_exception(ConnectionResetError(type(error).__name__))

    def _pass_frames(self, data: bytes) -> None:
        """Passes on each complete frame in `data`, and keeps an incomplete frame until the rest arrives. Frames of
        messages and confirms go to the `Wire` of their channel, all others to aiormq. Raises `ValueError` for an
        invalid frame."""
        at = passed = 0
        while len(data) - at >= frames.OVERHEAD_BYTES:
            kind, channel, size = frames.FRAME.unpack_from(data, at)
            payload, end = at + frames.FRAME.size, at + frames.OVERHEAD_BYTES + size
            if size > MAX_FRAME_BYTES:
                raise ValueError
            if end > len(data):
                break
            if data[end - 1] != frames.END[0]:
                raise ValueError
            if (wire := self._wires.get(channel)) is not None and wire.takes(kind, data, payload, end - 1):
                if passed < at:
                    super().feed_data(data[passed:at])
                passed = end
            at = end
        if passed < at:
            super().feed_data(data[passed:at])
        self._incomplete = data[at:]


class Wire:
    """Sender and receiver of the messages, confirms and acknowledgements of one channel."""

    def __init__(self, channel: int, max_payload_bytes: int, outlet: BatchingWriter) -> None:
        self.deliver: Deliver = _drop
        self._channel = channel
        self._max_payload_bytes = max_payload_bytes
        self._outlet = outlet
        self._is_open = True
        self._published = 0
        self._unconfirmed: dict[int, OnSettled] = {}
        self._incoming = _IncomingMessage()

    def send(self, body: bytes, properties: Properties, *, exchange: str, routing_key: str) -> None:
        """Publishes a message without waiting for a confirm. Raises `ConnectionResetError` on a channel known to be
        closed."""
        self._write_message(body, properties, exchange, routing_key)

    def publish(self, body: bytes, properties: Properties, settled: OnSettled, *, queue: str) -> None:
        """Publishes a message to a queue, and calls `settled` once with the result. The result is None if the broker
        has accepted the message, otherwise the error `MessageReturned`, `MessageRefused` or `ConnectionResetError`."""
        # `settled` must not raise.
        tag = self._published + 1  # the broker counts the same way; a returned message carries it as `message_id`
        named = msgspec.structs.replace(properties, message_id=str(tag))
        try:
            self._write_message(body, named, "", queue, mandatory=True)
        except ConnectionResetError as error:
            settled(error)
        else:
            self._published = tag
            self._unconfirmed[tag] = settled

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Acknowledges the delivery with this tag and, if `multiple` is true, all earlier deliveries on the channel.
        Raises `ConnectionResetError` on a channel known to be closed."""
        self._write(frames.ack(self._channel, tag, multiple=multiple))

    def close(self) -> None:
        """Ends deliveries and publishing. Publishers of messages that the broker has not confirmed by then get a
        `ConnectionResetError`."""
        self._is_open = False
        self.deliver = _drop
        while self._unconfirmed:
            self._settle_one(next(iter(self._unconfirmed)), ConnectionResetError())

    def takes(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """Processes the frame with the payload `data[start:end]`, if it belongs to a message or a confirm. Returns
        False for all other frames. Raises `ValueError`, `IndexError` or `struct.error` for an invalid frame."""
        # The caller passes them to aiormq.
        match kind:
            case frames.METHOD:
                # A copy of the payload: a false length inside it must not reach into the frames that follow.
                payload = data[start:end]
                return self._takes_method(frames.read_method(payload, 0), payload, 0)
            case frames.HEADER:
                self._incoming.left_bytes, self._incoming.properties = frames.read_header(data[start:end], 0)
            case frames.BODY:
                if len(self._incoming.body) < MAX_BODY_BYTES:
                    self._incoming.body += data[start:end]
                self._incoming.left_bytes -= end - start
            case _:
                return False
        if self._incoming.left_bytes < 0:
            raise ValueError
        if not self._incoming.left_bytes:
            self._handle_complete_message()
        return True

    def _takes_method(self, method: int, data: bytes, at: int) -> bool:
        match method:
            case frames.DELIVER:
                tag, redelivered = frames.read_delivery(data, at)
                self._incoming = _IncomingMessage(tag, redelivered)
            case frames.RETURN:
                self._incoming = _IncomingMessage()
            case frames.ACK:
                self._settle(*frames.read_confirm(data, at), None)
            case frames.NACK:
                self._settle(*frames.read_confirm(data, at), MessageRefused())
            case frames.CLOSE_CHANNEL:
                self._is_open = False  # aiormq replies, and reports the loss
                return False
            case _:
                return False
        return True

    def _handle_complete_message(self) -> None:
        """Delivers a complete message to the consumer. For a message that the broker has returned, reports
        `MessageReturned` to the publisher."""
        arrived = self._incoming
        if arrived.tag:
            self.deliver(Delivery(arrived.tag, arrived.redelivered, arrived.properties, arrived.body))
        else:
            self._settle_one(int(arrived.properties.message_id), MessageReturned())

    def _settle(self, tag: int, multiple: bool, error: Exception | None) -> None:
        # The broker also confirms a returned message, after returning it: its callback is then gone.
        for each in list(takewhile(tag.__ge__, self._unconfirmed)) if multiple else (tag,):
            self._settle_one(each, error)

    def _settle_one(self, tag: int, error: Exception | None) -> None:
        if settled := self._unconfirmed.pop(tag, None):
            settled(error)

    def _write_message(
        self, body: bytes, properties: Properties, exchange: str, routing_key: str, *, mandatory: bool = False
    ) -> None:
        self._write(
            frames.message(
                self._channel,
                body,
                properties,
                exchange=exchange,
                routing_key=routing_key,
                mandatory=mandatory,
                max_payload_bytes=self._max_payload_bytes,
            )
        )

    def _write(self, data: bytes) -> None:
        if not self._is_open:
            raise ConnectionResetError
        self._outlet.write(data)


class _IncomingMessage(msgspec.Struct):
    tag: int = 0
    redelivered: bool = False
    properties: Properties = Properties()
    left_bytes: int = 0
    body: bytes = b""


def _drop(_: Delivery) -> None:
    """Ignores a message for which there is no consumer."""

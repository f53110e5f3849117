"""Messages past aiormq: written to its connection's socket, and read from it, without an object or a task a frame.

aiormq gets all frames but those of messages, which cost it most of a call's time (docs/performance.md).
"""

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
from bouquet_mesh.amqp.errors import Refused, Returned
from bouquet_mesh.amqp.frames import Properties
from bouquet_mesh.tls.certificates import Noticing

Settled: TypeAlias = Callable[[Exception | None], object]
"""Called with what has become of a message: trouble, or `None` when the broker has it."""

MOST_FRAME_BYTES = 1 << 20
"""RabbitMQ's are of 128 kB, unless its operator chose more."""
MOST_BODY_BYTES = 4 << 20
"""The rest of a longer one is dropped, and what is left is refused: no reader of the mesh takes half as much."""


class Delivery(msgspec.Struct, frozen=True):
    tag: int
    redelivered: bool
    properties: Properties
    body: bytes


Deliver: TypeAlias = Callable[[Delivery], object]


class Stream(TransportFactory):
    """aiormq's way to make its socket's streams; the reader looks at each frame before aiormq."""

    def __init__(self) -> None:
        self._wires: dict[int, Wire] = {}

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        contexts: SSLContextProvider = options.pop("ssl_context_provider")
        context = await contexts.get_context() if url.scheme == "amqps" else None
        if context:
            context.sslobject_class = Noticing
        loop = asyncio.get_running_loop()
        reader = FrameReader(self._wires, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        assert url.host and url.port
        transport, _ = await loop.create_connection(lambda: protocol, url.host, url.port, ssl=context, **options)
        self._outlet = Outlet(transport)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def wire(self, channel: int, most_bytes: int) -> Wire:
        """Takes over the messages of a channel, by its number, whose frames hold at most `most_bytes`."""
        wire = self._wires[channel] = Wire(channel, most_bytes, self._outlet)
        return wire

    def close(self) -> None:
        """Closes all its wires."""
        for wire in self._wires.values():
            wire.close()


class Outlet:
    """Gathers what wires write in one turn of the loop into one write: a system call costs as much as a message."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._leaving: list[bytes] = []

    def write(self, frames: bytes) -> None:
        """Raises `ConnectionResetError`. Of one message all frames: what aiormq writes comes between, not inside."""
        if self._transport.is_closing():
            raise ConnectionResetError
        if not self._leaving:
            asyncio.get_running_loop().call_soon(self._flush)
        self._leaving.append(frames)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._leaving))
        self._leaving.clear()


class FrameReader(asyncio.StreamReader):
    """Gives each frame to its channel's wire, and what no wire takes to aiormq."""

    def __init__(self, wires: dict[int, Wire], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._wires = wires
        self._begun = b""
        """Of a frame whose end has not come yet."""

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """What cannot be read is the end of the connection: nobody knows where the next frame would begin."""
        if self.exception() is not None:
            return
        try:
            self._sort(self._begun + bytes(data))
        except (ValueError, IndexError, StructError) as error:
            self._begun = b""
            self.set_exception(ConnectionResetError(type(error).__name__))

    def _sort(self, data: bytes) -> None:
        at = passed = 0
        while len(data) - at >= frames.OVERHEAD_BYTES:
            kind, channel, size = frames.FRAME.unpack_from(data, at)
            payload, end = at + frames.FRAME.size, at + frames.OVERHEAD_BYTES + size
            if size > MOST_FRAME_BYTES:
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
        self._begun = data[at:]


class Wire:
    """The messages of one channel, both ways, and what becomes of those that are published (see `Channel`)."""

    def __init__(self, channel: int, most_bytes: int, outlet: Outlet) -> None:
        self.deliver: Deliver = _drop
        self._channel = channel
        self._most_bytes = most_bytes
        self._outlet = outlet
        self._is_open = True
        self._published = 0
        self._unconfirmed: dict[int, Settled] = {}
        """By tag, oldest first."""
        self._arriving = _Arriving()

    def send(self, body: bytes, properties: Properties, *, exchange: str, routing_key: str) -> None:
        """Raises `ConnectionResetError` where the channel is known to be gone."""
        self._write_message(body, properties, exchange, routing_key)

    def publish(self, body: bytes, properties: Properties, settled: Settled, *, queue: str) -> None:
        """Calls `settled`, which may not raise, once: with `Returned`, `Refused`, `ConnectionResetError` or `None`."""
        tag = self._published + 1  # the broker counts like this; what it returns, it returns with its `message_id`
        named = msgspec.structs.replace(properties, message_id=str(tag))
        try:
            self._write_message(body, named, "", queue, mandatory=True)
        except ConnectionResetError as error:
            settled(error)
        else:
            self._published = tag
            self._unconfirmed[tag] = settled

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Raises as `send`."""
        self._write(frames.ack(self._channel, tag, multiple=multiple))

    def close(self) -> None:
        """Nothing comes or goes any more; what was not confirmed is settled with `ConnectionResetError`."""
        self._is_open = False
        self.deliver = _drop
        while self._unconfirmed:
            self._settle_one(next(iter(self._unconfirmed)), ConnectionResetError())

    def takes(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """Whether a frame is of a message, or says what became of one; if so, it has had its effect."""
        match kind:
            case frames.METHOD:
                # The payload alone: a length that lies must not reach into the frames behind.
                payload = data[start:end]
                return self._takes_method(frames.method_in(payload, 0), payload, 0)
            case frames.HEADER:
                self._arriving.left_bytes, self._arriving.properties = frames.header_in(data[start:end], 0)
            case frames.BODY:
                if len(self._arriving.body) < MOST_BODY_BYTES:
                    self._arriving.body += data[start:end]
                self._arriving.left_bytes -= end - start
            case _:
                return False
        if self._arriving.left_bytes < 0:
            raise ValueError
        if not self._arriving.left_bytes:
            self._arrive()
        return True

    def _takes_method(self, method: int, data: bytes, at: int) -> bool:
        match method:
            case frames.DELIVER:
                tag, redelivered = frames.delivery_in(data, at)
                self._arriving = _Arriving(tag, redelivered)
            case frames.RETURN:
                self._arriving = _Arriving()
            case frames.ACK:
                self._settle(*frames.confirm_in(data, at), None)
            case frames.NACK:
                self._settle(*frames.confirm_in(data, at), Refused())
            case frames.CLOSE_CHANNEL:
                self._is_open = False  # aiormq answers it, and reports the loss
                return False
            case _:
                return False
        return True

    def _arrive(self) -> None:
        """A message is whole."""
        arrived = self._arriving
        if arrived.tag:
            self.deliver(Delivery(arrived.tag, arrived.redelivered, arrived.properties, arrived.body))
        else:
            self._settle_one(int(arrived.properties.message_id), Returned())

    def _settle(self, tag: int, multiple: bool, trouble: Exception | None) -> None:
        """The broker confirms what it has returned, too, after that."""
        for each in list(takewhile(tag.__ge__, self._unconfirmed)) if multiple else (tag,):
            self._settle_one(each, trouble)

    def _settle_one(self, tag: int, trouble: Exception | None) -> None:
        if settled := self._unconfirmed.pop(tag, None):
            settled(trouble)

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
                most_bytes=self._most_bytes,
            )
        )

    def _write(self, data: bytes) -> None:
        if not self._is_open:
            raise ConnectionResetError
        self._outlet.write(data)


class _Arriving(msgspec.Struct):
    """A message whose frames come in."""

    tag: int = 0
    """None of a message that is returned."""
    redelivered: bool = False
    properties: Properties = Properties()
    left_bytes: int = 0
    body: bytes = b""


def _drop(_: Delivery) -> None:
    """For a channel without a consumer."""

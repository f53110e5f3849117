"""A message on the wire: a method frame, a header frame, and frames of its body (AMQP 0-9-1 §2.3.5 and §4.2.6).

Only what goes by once for each message, as bytes. The rest of the protocol is aiormq's, whose frames are objects.
"""

from __future__ import annotations

from struct import Struct

import msgspec

METHOD, HEADER, BODY = 1, 2, 3
"""Kinds of frames."""
FRAME = Struct(">BHI")
"""Kind, channel, size. The payload follows, and `END`."""
END = b"\xce"
OVERHEAD_BYTES = FRAME.size + len(END)

BASIC = 60
PUBLISH, RETURN, DELIVER, ACK, NACK = (BASIC << 16 | method for method in (40, 50, 60, 80, 120))
CLOSE_CHANNEL = 20 << 16 | 40

_METHOD = Struct(">I")
_PUBLISH = Struct(">IH")
_ACK = Struct(">IQB")
_TAG = Struct(">QB")
_HEADER = Struct(">HHQH")
_LENGTH = Struct(">I")

CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE, PRIORITY = (1 << bit for bit in (15, 14, 13, 12, 11))
CORRELATION_ID, REPLY_TO, EXPIRATION, MESSAGE_ID = (1 << bit for bit in (10, 9, 8, 7))
"""Of the header's flags; what they announce stands in this order."""


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """Those that the mesh uses; empty is absent."""

    content_type: str = "application/json"
    is_kept: bool = False
    """On the broker's disk: delivery mode 2."""
    correlation_id: str = ""
    reply_to: str = ""
    expires_ms: int = 0
    """Time that the broker keeps the message for a consumer; 0 is without end."""
    message_id: str = ""


def message(
    channel: int,
    body: bytes,
    properties: Properties,
    *,
    exchange: str,
    routing_key: str,
    mandatory: bool,
    most_bytes: int,
) -> bytes:
    """All frames of one publish, none with a payload of more than `most_bytes`."""
    method = _PUBLISH.pack(PUBLISH, 0) + _short(exchange) + _short(routing_key) + (b"\x01" if mandatory else b"\x00")
    frames = _frame(METHOD, channel, method) + _frame(HEADER, channel, _header(properties, len(body)))
    if len(body) <= most_bytes:
        return frames + _frame(BODY, channel, body) if body else frames
    parts = [body[start : start + most_bytes] for start in range(0, len(body), most_bytes)]
    return frames + b"".join(_frame(BODY, channel, part) for part in parts)


def ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    return _frame(METHOD, channel, _ACK.pack(ACK, tag, multiple))


def method_in(data: bytes, at: int) -> int:
    """Which method the payload at `at` is."""
    return int(_METHOD.unpack_from(data, at)[0])


def delivery_in(data: bytes, at: int) -> tuple[int, bool]:
    """The tag of a delivery, and whether it is another one of the same message."""
    at += _METHOD.size
    tag, redelivered = _TAG.unpack_from(data, at + 1 + data[at])
    return tag, bool(redelivered)


def confirm_in(data: bytes, at: int) -> tuple[int, bool]:
    """The tag that is acknowledged, or not, and whether all before it are."""
    tag, bits = _TAG.unpack_from(data, at + _METHOD.size)
    return tag, bool(bits & 1)


def header_in(data: bytes, at: int) -> tuple[int, Properties]:
    """The body's size, and the properties that tell one message from another."""
    _, _, size, flags = _HEADER.unpack_from(data, at)
    at += _HEADER.size
    if flags & CONTENT_TYPE:
        at += 1 + data[at]
    if flags & CONTENT_ENCODING:
        at += 1 + data[at]
    if flags & HEADERS:
        at += _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
    at += bool(flags & DELIVERY_MODE) + bool(flags & PRIORITY)
    correlation_id, at = _short_in(data, at) if flags & CORRELATION_ID else ("", at)
    reply_to, at = _short_in(data, at) if flags & REPLY_TO else ("", at)
    expires_ms, at = _milliseconds_in(data, at) if flags & EXPIRATION else (0, at)
    message_id, at = _short_in(data, at) if flags & MESSAGE_ID else ("", at)
    if at > len(data):
        raise ValueError("a property that ends behind its frame")
    return size, Properties(
        correlation_id=correlation_id, reply_to=reply_to, expires_ms=expires_ms, message_id=message_id
    )


def _header(properties: Properties, body_bytes: int) -> bytes:
    flags, fields = CONTENT_TYPE | DELIVERY_MODE, _short(properties.content_type)
    fields += b"\x02" if properties.is_kept else b"\x01"
    if properties.correlation_id:
        flags, fields = flags | CORRELATION_ID, fields + _short(properties.correlation_id)
    if properties.reply_to:
        flags, fields = flags | REPLY_TO, fields + _short(properties.reply_to)
    if properties.expires_ms:
        flags, fields = flags | EXPIRATION, fields + _short(str(properties.expires_ms))
    if properties.message_id:
        flags, fields = flags | MESSAGE_ID, fields + _short(properties.message_id)
    return _HEADER.pack(BASIC, 0, body_bytes, flags) + fields


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return FRAME.pack(kind, channel, len(payload)) + payload + END


def _short(text: str) -> bytes:
    """Raises `ValueError` above 255 bytes."""
    data = text.encode(errors="surrogateescape")
    return bytes((len(data),)) + data


def _short_in(data: bytes, at: int) -> tuple[str, int]:
    """Whatever bytes it is made of, they are given back as they came."""
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(errors="surrogateescape"), end


def _milliseconds_in(data: bytes, at: int) -> tuple[int, int]:
    """An expiration, which AMQP writes as text in decimal. 0 for any other text."""
    text, end = _short_in(data, at)
    return int(text) if text.isdecimal() else 0, end

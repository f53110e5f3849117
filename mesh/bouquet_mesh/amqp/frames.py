"""Messages as AMQP frames (AMQP 0-9-1 §2.3.5 and §4.2.6): encoding and decoding. Only messages and confirms are
covered; aiormq handles the rest of the protocol."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

import msgspec

METHOD, HEADER, BODY = 1, 2, 3
FRAME = Struct(">BHI")
"""Format of the first seven bytes of an AMQP frame: type, channel and payload size in bytes. The payload and the byte
`END` follow."""
END = b"\xce"
OVERHEAD_BYTES = FRAME.size + len(END)

BASIC = 60
PUBLISH, RETURN, DELIVER, ACK, NACK = (BASIC << 16 | method for method in (40, 50, 60, 80, 120))
CLOSE_CHANNEL = 20 << 16 | 40

CACHED_PUBLISH_FRAMES = 1024
"""Largest number of encoded `basic.publish` frames kept in memory for reuse."""
# There is one frame for each combination of channel, exchange and routing key.

_METHOD = Struct(">I")
_PUBLISH = Struct(">IH")
_ACK = Struct(">IQB")
_TAG = Struct(">QB")
_HEADER = Struct(">HHQH")
_LENGTH = Struct(">I")

CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE, PRIORITY = (1 << bit for bit in (15, 14, 13, 12, 11))
CORRELATION_ID, REPLY_TO, EXPIRATION, MESSAGE_ID = (1 << bit for bit in (10, 9, 8, 7))
"""Bits that stand for AMQP properties in the property flags of a content header."""


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """AMQP properties of a message. Properties that are "" or 0 are not sent."""

    content_type: str = "application/json"
    is_persistent: bool = False
    """Whether the broker writes the message to disk (delivery mode 2)."""
    correlation_id: str = ""
    reply_to: str = ""
    expires_ms: int = 0
    """Longest time, in milliseconds, that the message may wait for a consumer; 0 for no limit."""
    message_id: str = ""


def message(
    channel: int,
    body: bytes,
    properties: Properties,
    *,
    exchange: str,
    routing_key: str,
    mandatory: bool,
    max_payload_bytes: int,
) -> bytes:
    """Returns the frames that publish one message. Each frame has at most `max_payload_bytes` of payload. If
    `mandatory` is true, the broker returns the message when no queue receives it."""
    method = _publish(channel, exchange, routing_key, mandatory)
    frames = method + _frame(HEADER, channel, _header(properties, len(body)))
    if len(body) <= max_payload_bytes:
        return frames + _frame(BODY, channel, body) if body else frames
    parts = [body[start : start + max_payload_bytes] for start in range(0, len(body), max_payload_bytes)]
    return frames + b"".join(_frame(BODY, channel, part) for part in parts)


@lru_cache(maxsize=CACHED_PUBLISH_FRAMES)
def _publish(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    """Returns the method frame of `basic.publish`."""
    method = _PUBLISH.pack(PUBLISH, 0) + _encode_short_string(exchange) + _encode_short_string(routing_key)
    return _frame(METHOD, channel, method + (b"\x01" if mandatory else b"\x00"))


def ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Returns the frame that acknowledges the delivery with this tag and, if `multiple` is true, all earlier deliveries
    on the channel."""
    return _frame(METHOD, channel, _ACK.pack(ACK, tag, multiple))


def read_method(data: bytes, at: int) -> int:
    """Returns the AMQP class number and the method number of the method frame at index `at`, joined into one integer:
    `class << 16 | method`."""
    return int(_METHOD.unpack_from(data, at)[0])


def read_delivery(data: bytes, at: int) -> tuple[int, bool]:
    """Returns the delivery tag and the redelivered flag of the `basic.deliver` at index `at`."""
    at += _METHOD.size
    tag, redelivered = _TAG.unpack_from(data, at + 1 + data[at])
    return tag, bool(redelivered)


def read_confirm(data: bytes, at: int) -> tuple[int, bool]:
    """Returns the delivery tag and the multiple flag of the `basic.ack` or `basic.nack` at index `at` of `data`."""
    tag, bits = _TAG.unpack_from(data, at + _METHOD.size)
    return tag, bool(bits & 1)


def read_header(data: bytes, at: int) -> tuple[int, Properties]:
    """Returns the body size in bytes and the properties from the content header at index `at`. Raises `ValueError` if a
    property does not end within the frame."""
    _, _, size, flags = _HEADER.unpack_from(data, at)
    at += _HEADER.size
    if flags & CONTENT_TYPE:
        at += 1 + data[at]
    if flags & CONTENT_ENCODING:
        at += 1 + data[at]
    if flags & HEADERS:
        at += _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
    at += bool(flags & DELIVERY_MODE) + bool(flags & PRIORITY)
    correlation_id, at = _read_short_string(data, at) if flags & CORRELATION_ID else ("", at)
    reply_to, at = _read_short_string(data, at) if flags & REPLY_TO else ("", at)
    expires_ms, at = _read_expiration_ms(data, at) if flags & EXPIRATION else (0, at)
    message_id, at = _read_short_string(data, at) if flags & MESSAGE_ID else ("", at)
    if at > len(data):
        raise ValueError("property exceeds its frame")
    return size, Properties(
        correlation_id=correlation_id, reply_to=reply_to, expires_ms=expires_ms, message_id=message_id
    )


def _header(properties: Properties, body_bytes: int) -> bytes:
    flags, fields = CONTENT_TYPE | DELIVERY_MODE, _encode_short_string(properties.content_type)
    fields += b"\x02" if properties.is_persistent else b"\x01"
    if properties.correlation_id:
        flags, fields = flags | CORRELATION_ID, fields + _encode_short_string(properties.correlation_id)
    if properties.reply_to:
        flags, fields = flags | REPLY_TO, fields + _encode_short_string(properties.reply_to)
    if properties.expires_ms:
        flags, fields = flags | EXPIRATION, fields + _encode_short_string(str(properties.expires_ms))
    if properties.message_id:
        flags, fields = flags | MESSAGE_ID, fields + _encode_short_string(properties.message_id)
    return _HEADER.pack(BASIC, 0, body_bytes, flags) + fields


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return FRAME.pack(kind, channel, len(payload)) + payload + END


def _encode_short_string(text: str) -> bytes:
    """Returns a text as an AMQP short string. Raises `ValueError` if the text has more than 255 bytes."""
    data = text.encode(errors="surrogateescape")
    return bytes((len(data),)) + data


def _read_short_string(data: bytes, at: int) -> tuple[str, int]:
    """Returns the AMQP short string at index `at` of `data`, and the index after it."""
    # Bytes that are not UTF-8 become surrogates, which `_encode_short_string` turns into the same bytes again.
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(errors="surrogateescape"), end


def _read_expiration_ms(data: bytes, at: int) -> tuple[int, int]:
    """Returns the expiration at index `at`, in milliseconds, and the index after it. A malformed expiration counts as 0
    (no limit)."""
    text, end = _read_short_string(data, at)
    return int(text) if text.isdecimal() else 0, end

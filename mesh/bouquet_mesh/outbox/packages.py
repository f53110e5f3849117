"""Packing of several journal records into one message, so that the broker has fewer messages to confirm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

MAX_PACKAGE_RECORDS = 50
MAX_PACKAGE_BYTES = 32_000
"""Largest total size, in bytes, of the records in one message. A larger record has a message of its own."""

_package = msgspec.msgpack.Decoder(list[bytes])


def pack(bodies: Sequence[bytes]) -> Iterator[bytes]:
    """Yields message bodies that together hold the records `bodies`, in order. Each body holds up to 50 records, with
    at most `MAX_PACKAGE_BYTES` bytes together; a larger record has a body of its own."""
    package: list[bytes] = []
    room_bytes = MAX_PACKAGE_BYTES
    for body in bodies:
        if package and (len(body) > room_bytes or len(package) == MAX_PACKAGE_RECORDS):
            yield msgspec.msgpack.encode(package)
            package, room_bytes = [], MAX_PACKAGE_BYTES
        package.append(body)
        room_bytes -= len(body)
    if package:
        yield msgspec.msgpack.encode(package)


def unpack(package: bytes) -> list[bytes]:
    """Returns the records in a message body. A body that was not made by `pack` is returned whole, as one record."""
    try:
        return _package.decode(package) or [package]
    except msgspec.DecodeError:
        return [package]

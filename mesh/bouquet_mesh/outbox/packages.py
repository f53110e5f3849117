"""Records in messages: as few messages as may be, since the broker keeps, confirms and delivers those one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

PACKAGE_MOST = 50
PACKAGE_BYTES = 32_000
"""Of the bodies in one message, but for a body that is larger alone: a message in two frames, so that calls get by."""

_package = msgspec.msgpack.Decoder(list[bytes])


def packed(bodies: Sequence[bytes]) -> Iterator[bytes]:
    """Bodies together in as few messages as may be, in their order."""
    package: list[bytes] = []
    left_bytes = PACKAGE_BYTES
    for body in bodies:
        if package and (len(body) > left_bytes or len(package) == PACKAGE_MOST):
            yield msgspec.msgpack.encode(package)
            package, left_bytes = [], PACKAGE_BYTES
        package.append(body)
        left_bytes -= len(body)
    if package:
        yield msgspec.msgpack.encode(package)


def unpacked(package: bytes) -> list[bytes]:
    """The bodies of a message. A message that `packed` did not make is one body, for the collector to judge."""
    try:
        return _package.decode(package) or [package]
    except msgspec.DecodeError:
        return [package]

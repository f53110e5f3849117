"""How records are chained: each one's hash covers its content, its number and the hash before (docs/adr/0010)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec
from msgspec import Struct

from bouquet_proto.access_record import Access

_encoder = msgspec.json.Encoder(order="sorted")


class Link(Struct, frozen=True):
    """A place in the chain. As text, `NUMBER:HASH`."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


START = Link(0, "00" * 32)
"""What the first record is chained to."""


class Row(Struct, frozen=True):
    """A record in its place."""

    access: Access
    link: Link
    previous: str
    """The hash before."""


def chain(after: Link, accesses: Iterable[Access]) -> Iterator[Row]:
    for access in accesses:
        link = Link(after.number + 1, _hash(after.hash, after.number + 1, access))
        yield Row(access, link, after.hash)
        after = link


def fault(after: Link, row: Row) -> str | None:
    """What is wrong with a row that should come next, in words that name its number; None when it is whole."""
    number = after.number + 1
    if row.link.number != number:
        return f"record {number} is missing"
    if row.link.hash != _hash(row.previous, number, row.access):
        return f"record {number} was changed"
    if row.previous != after.hash:
        return f"record {number} does not follow the one before it"
    return None


def _hash(previous: str, number: int, access: Access) -> str:
    return sha256(f"{number}:{previous}:".encode() + canonical(access)).hexdigest()


def canonical(access: Access) -> bytes:
    """What is hashed of a record: its fields that are not empty, by name, as JSON. So a field that is added one day
    changes no hash of the records before."""
    fields = msgspec.structs.asdict(access)
    return _encoder.encode({name: value for name, value in fields.items() if value})

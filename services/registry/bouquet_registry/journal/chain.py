"""Chain of the journal's records: the hash of each record covers its content, its number and the previous hash
(docs/adr/0010)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec
from msgspec import Struct

from bouquet_proto.access_record import Access

_encoder = msgspec.json.Encoder(order="sorted")


class Link(Struct, frozen=True):
    """Number and hash of a record in the chain. A link is written as `NUMBER:HASH`, with the hash in hexadecimal."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


START = Link(0, "00" * 32)
"""Link that stands before the first record of the chain: number 0, and a hash of zeros."""


class Row(Struct, frozen=True):
    """Record with its place in the chain: its number and hash, and the hash of the previous record."""

    access: Access
    link: Link
    previous: str


def chain(after: Link, accesses: Iterable[Access]) -> Iterator[Row]:
    """Yields one row for each access. The rows continue the chain whose last record is `after`."""
    for access in accesses:
        link = Link(after.number + 1, _hash(after.hash, after.number + 1, access))
        yield Row(access, link, after.hash)
        after = link


def fault(after: Link, row: Row) -> str | None:
    """Checks that a row is unchanged and directly follows the record `after`. Returns a description of the fault, or
    None if there is none."""
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
    """Returns the content of a record as the bytes over which its hash is computed. Equal contents give equal bytes."""
    # These are the fields that are not empty, as JSON sorted by name. Empty fields are left out, because a field added
    # by a later version must not change the hashes of older records.
    fields = msgspec.structs.asdict(access)
    return _encoder.encode({name: value for name, value in fields.items() if value})

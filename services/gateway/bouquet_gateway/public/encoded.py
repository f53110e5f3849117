"""A document in its encoded form: serialized once, and compressed once for every client that accepts gzip."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256

import msgspec
from msgspec import Struct

GZIP = re.compile(r"\s*(?:gzip|x-gzip|\*)\s*(?:;\s*q=(?P<weight>[\d.]+)\s*)?", re.IGNORECASE)


class Encoded(Struct, frozen=True):
    """JSON of a document, plain and compressed."""

    plain: bytes
    gzipped: bytes
    etag: str
    """`ETag` of the plain form; the same in every process that builds the same document."""

    def etag_of(self, *, gzipped: bool) -> str:
        """Returns the `ETag` without its quotes. Each form has its own (RFC 9110 §8.8.3.3)."""
        return f"{self.etag}-gzip" if gzipped else self.etag


def encoded(document: object) -> Encoded:
    """Encodes a document as JSON."""
    return encoded_bytes(msgspec.json.encode(document))


def encoded_bytes(plain: bytes) -> Encoded:
    """Encodes a document that is JSON already."""
    return Encoded(plain, gzip.compress(plain, mtime=0), sha256(plain).hexdigest()[:32])


def accepts_gzip(accept_encoding: str) -> bool:
    """Tells whether an `Accept-Encoding` header accepts gzip, by name or by `*`, with a weight above 0
    (RFC 9110 §12.5.3)."""
    accepted = [found for part in accept_encoding.split(",") if (found := GZIP.fullmatch(part))]
    exact = [found for found in accepted if "*" not in found[0]] or accepted
    return any(found["weight"] is None or found["weight"].strip("0.") for found in exact)

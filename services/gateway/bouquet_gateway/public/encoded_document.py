"""Documents that are serialized and compressed once, and then sent to any number of clients."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256

import msgspec
from msgspec import Struct

GZIP = re.compile(r"\s*(?:gzip|x-gzip|\*)\s*(?:;\s*q=(?P<weight>[\d.]+)\s*)?", re.IGNORECASE)


class EncodedDocument(Struct, frozen=True):
    """JSON document, plain and compressed by gzip, with its `ETag`."""

    plain: bytes
    gzipped: bytes
    etag: str
    """`ETag` of the plain document, without quotes: a hash of the content."""
    # All gateways thus give the same `ETag`.

    def etag_of(self, *, gzipped: bool) -> str:
        """Returns the `ETag`, without quotes, of the plain or the compressed document (RFC 9110 §8.8.3.3)."""
        return f"{self.etag}-gzip" if gzipped else self.etag


def encode_document(document: object) -> EncodedDocument:
    """Serializes an object to JSON, and returns it as an encoded document."""
    return compress_document(msgspec.json.encode(document))


def compress_document(plain: bytes) -> EncodedDocument:
    """Returns an encoded document with the content `plain`, which is already serialized to JSON."""
    return EncodedDocument(plain, gzip.compress(plain, mtime=0), sha256(plain).hexdigest()[:32])


def accepts_gzip(accept_encoding: str) -> bool:
    """Returns whether the value of a header `Accept-Encoding` accepts gzip: `gzip` or `*`, with a weight above 0 (RFC
    9110 §12.5.3)."""
    accepted = [found for part in accept_encoding.split(",") if (found := GZIP.fullmatch(part))]
    exact = [found for found in accepted if "*" not in found[0]] or accepted
    return any(found["weight"] is None or found["weight"].strip("0.") for found in exact)

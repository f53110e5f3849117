"""A document as it is sent: encoded once, and compressed once for all who take it so."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256

import msgspec
from msgspec import Struct

GZIP = re.compile(r"\s*(?:gzip|x-gzip|\*)\s*(?:;\s*q=(?P<weight>[\d.]+)\s*)?", re.IGNORECASE)


class Encoded(Struct, frozen=True):
    plain: bytes
    gzipped: bytes
    tag: str
    """Of the plain form; the same in every process that makes the same document."""

    def tag_of(self, *, gzipped: bool) -> str:
        """Without its quotes. Each form has its own (RFC 9110 §8.8.3.3)."""
        return f"{self.tag}-gzip" if gzipped else self.tag


def encoded(document: object) -> Encoded:
    return encoded_bytes(msgspec.json.encode(document))


def encoded_bytes(plain: bytes) -> Encoded:
    """Of what is JSON already."""
    return Encoded(plain, gzip.compress(plain, mtime=0), sha256(plain).hexdigest()[:32])


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether it is named, by itself or among all, with a weight that is not 0 (RFC 9110 §12.5.3)."""
    named = [found for part in accept_encoding.split(",") if (found := GZIP.fullmatch(part))]
    exact = [found for found in named if "*" not in found[0]] or named
    return any(found["weight"] is None or found["weight"].strip("0.") for found in exact)

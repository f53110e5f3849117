"""Sealed texts, in which proofs keep their content: structs as JSON, compressed, then encrypted and authenticated."""

from __future__ import annotations

import zlib
from typing import TypeVar

import msgspec
from msgspec import Struct

from bouquet_gateway.proofs.keys import KeyRing, NotSealed

S = TypeVar("S", bound=Struct)

MAX_CONTENT_BYTES = 64_000
"""Largest size of a content as JSON."""
RAW_DEFLATE = -zlib.MAX_WBITS


class TooLarge(Exception):
    """Error for a content that is too large to be sealed."""


def seal(keys: KeyRing, content: Struct, purpose: str, max_length: int) -> str:
    """Returns the sealed text of a content. Raises `TooLarge` if the text has more than `max_length` characters, or if
    `unseal` would not read it."""
    plain = msgspec.json.encode(content)
    if len(plain) > MAX_CONTENT_BYTES:
        raise TooLarge
    text = keys.seal(zlib.compress(plain, 9, wbits=RAW_DEFLATE), purpose)
    if len(text) > max_length:
        raise TooLarge
    return text


def unseal(keys: KeyRing, text: str, purpose: str, decoder: msgspec.json.Decoder[S]) -> S:
    """Returns the content of a text that `seal` has made for the same purpose. Raises `NotSealed` for any other
    text."""
    try:
        return decoder.decode(_inflated(keys.open(text, purpose)))
    except (zlib.error, msgspec.DecodeError):
        raise NotSealed from None


def _inflated(content: bytes) -> bytes:
    return zlib.decompressobj(wbits=RAW_DEFLATE).decompress(content, MAX_CONTENT_BYTES)

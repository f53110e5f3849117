"""Sealed texts, which keep the content of proofs: structs as JSON, compressed, encrypted and authenticated."""

from __future__ import annotations

import zlib
from typing import TypeVar

import msgspec
from msgspec import Struct

from bouquet_gateway.proofs.keys import KeyRing, NotSealed

S = TypeVar("S", bound=Struct)

MAX_CONTENT_BYTES = 64_000
"""Largest size, in bytes, of the JSON in a sealed (encrypted) text, before compression."""
RAW_DEFLATE = -zlib.MAX_WBITS


class TooLarge(Exception):
    """Error for content that is too large to be sealed (encrypted), or whose encrypted text is too long."""


def seal(keys: KeyRing, content: Struct, purpose: str, max_length: int) -> str:
    """Returns a content as sealed text: compressed, encrypted and authenticated for one purpose. Raises `TooLarge` if
    the text has more than `max_length` characters, or the content more than `MAX_CONTENT_BYTES` bytes."""
    plain = msgspec.json.encode(content)
    if len(plain) > MAX_CONTENT_BYTES:
        raise TooLarge
    text = keys.seal(zlib.compress(plain, 9, wbits=RAW_DEFLATE), purpose)
    if len(text) > max_length:
        raise TooLarge
    return text


def unseal(keys: KeyRing, text: str, purpose: str, decoder: msgspec.json.Decoder[S]) -> S:
    """Returns the content of a text that `seal` has returned for the same purpose. Raises `NotSealed` for any other
    text."""
    try:
        return decoder.decode(_inflated(keys.open(text, purpose)))
    except (zlib.error, msgspec.DecodeError):
        raise NotSealed from None


def _inflated(content: bytes) -> bytes:
    return zlib.decompressobj(wbits=RAW_DEFLATE).decompress(content, MAX_CONTENT_BYTES)

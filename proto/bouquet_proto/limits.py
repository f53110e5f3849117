"""How much a worker may say: of an offer, and of a reply. A gateway takes no more, and the kit sends no more.

Sizes are judged before anything is decoded, and elements are counted before anything is made of them: what is refused
costs the reader next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Raw, Struct

from bouquet_proto.messages import Failed, Found, Meta, NotFound, Recorded, Rejected, Reply

MAX_OFFER_BYTES = 256 * 1024
"""The largest of ours has 79 kB."""
MAX_OPERATIONS = 100
"""Of an offer."""
MAX_REPLY_BYTES = 1_000_000
MAX_REPLY_ELEMENTS = 20_000
"""The most that an operation may ask for in its offer."""
MAX_DEPTH = 60
"""Of any JSON that a worker sends; ours is less than 30 deep. Its readers walk it by recursion."""

META: Mapping[str, int] = {"provider_error_code": 100, "provider_error_message": 1000, "retry_in": 0}
"""What a reply without data may say besides its reason, which callers read as it is: by name, and how long a text may
be. 0: a number alone."""
DAY_S = 86_400
MAX_NUMBER = 2**53 - 1
"""What every reader of JSON can hold."""

Excess: TypeAlias = Literal["", "too large", "too many elements", "too deep", "words of its own"]

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_EMPTY = re.compile(rb"\[\s*\]|\{\s*\}")
_BRACKET = re.compile(rb"[\[\]{}]")


class ReplyLimits(Struct, frozen=True):
    """Of the data of one reply. An element is a member of an object or an item of a list, at any depth."""

    size_bytes: int = 64 * 1024
    elements: int = 5_000


USUAL = ReplyLimits()
"""Unless an offer asks for more."""


def excess_of(reply: Reply, most: ReplyLimits = USUAL) -> Excess:
    """In what a reply is beyond its limits; empty where it is within."""
    match reply:
        case Found(data=data) | Recorded(body=data):
            return _excess_of_data(data, most)
        case NotFound(meta=meta) | Rejected(meta=meta) | Failed(meta=meta):
            return "" if all(_is_known(name, meta) for name in meta) else "words of its own"


def _excess_of_data(data: Raw, most: ReplyLimits) -> Excess:
    text = bytes(data)
    if len(text) > most.size_bytes:
        return "too large"
    openings = text.count(b"[") + text.count(b"{")
    if openings <= MAX_DEPTH and openings + text.count(b",") <= most.elements:
        return ""  # at most so deep and so many, as nearly every resource: nothing is left to count
    bare = _STRING.sub(b"0", text)
    if _elements(bare) > most.elements:
        return "too many elements"
    return "too deep" if _depth(bare) > MAX_DEPTH else ""


def _elements(bare: bytes) -> int:
    """Of JSON without texts."""
    return bare.count(b",") + bare.count(b"[") + bare.count(b"{") - len(_EMPTY.findall(bare))


def _depth(bare: bytes) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(bare):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _is_known(name: str, meta: Meta) -> bool:
    value = meta[name]
    if isinstance(value, str):
        return len(value) <= META.get(name, -1) and META[name] > 0
    if name == "retry_in":
        return 0 <= value <= DAY_S
    return name in META and abs(value) <= MAX_NUMBER

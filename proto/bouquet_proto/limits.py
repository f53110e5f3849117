"""Limits on offers (descriptions of a worker's operations) and on replies to lookups, which workers send to gateways. A
message is measured before it is decoded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Raw, Struct

from bouquet_proto.messages import Failed, Found, Meta, NotFound, Recorded, Rejected, Reply

MAX_OFFER_BYTES = 256 * 1024
"""Largest size, in bytes, of an encoded offer: a worker's description of its operations."""
# The largest in this repository has 79 kB.
MAX_OPERATIONS = 100
"""Largest number of operations in an offer, a worker's description of its operations."""
MAX_REPLY_BYTES = 1_000_000
"""Largest value that a worker may choose for `ReplyLimits.size_bytes`, the limit on the size of one reply's data in
bytes."""
MAX_REPLY_ELEMENTS = 20_000
"""Largest value that a worker may choose for `ReplyLimits.elements`, the limit on object members and list items in one
reply."""
MAX_DEPTH = 60
"""Largest depth of nested JSON objects and lists in a worker's message."""
# The gateway reads each level by a recursive call.
# The providers of this repository use fewer than 30 levels.

ALLOWED_META: Mapping[str, int] = {"provider_error_code": 100, "provider_error_message": 1000, "retry_in": 0}
"""Keys allowed in the `meta` of a reply without data, with the largest number of characters of each text. 0 stands for
a number."""
DAY_S = 86_400
MAX_NUMBER = 2**53 - 1
"""Largest integer accepted in the `meta` of a reply."""
# JavaScript, which reads numbers as 64-bit floats, reads all integers up to this one exactly.

Excess: TypeAlias = Literal["", "too large", "too many elements", "too deep", "meta not allowed"]
"""Reason to refuse a reply, or "" for none. `meta not allowed` means a key or value that `ALLOWED_META` does not
allow."""
# It also stands for a `retry_in_s` that is not between 0 and `DAY_S`.

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_EMPTY = re.compile(rb"\[\s*\]|\{\s*\}")
_BRACKET = re.compile(rb"[\[\]{}]")


class ReplyLimits(Struct, frozen=True):
    """Limits on the data of one reply: its size in bytes, and its number of `elements` (object members and list items
    together)."""

    size_bytes: int = 64 * 1024
    elements: int = 5_000


DEFAULT_LIMITS = ReplyLimits()
"""Limits on the replies of an operation whose worker does not choose any (`Operation.reply`)."""


def excess_of(reply: Reply, limits: ReplyLimits = DEFAULT_LIMITS) -> Excess:
    """Returns the reason to refuse a worker's reply, such as `too large`, or "" if the reply is within the limits."""
    match reply:
        case Found(data=data) | Recorded(body=data):
            return _excess_of_data(data, limits)
        case Failed(retry_in_s=int(wait_s)) if not 0 <= wait_s <= DAY_S:
            return "meta not allowed"
        case NotFound(meta=meta) | Rejected(meta=meta) | Failed(meta=meta):
            return "" if all(_is_known(name, meta) for name in meta) else "meta not allowed"


def _excess_of_data(data: Raw, limits: ReplyLimits) -> Excess:
    text = bytes(data)
    if len(text) > limits.size_bytes:
        return "too large"
    # Upper bounds of depth and elements, which nearly every reply keeps to: no need to count.
    openings = text.count(b"[") + text.count(b"{")
    if openings <= MAX_DEPTH and (len(text) <= limits.elements or openings + text.count(b",") <= limits.elements):
        return ""
    bare = without_strings(text)
    if _elements(bare) > limits.elements:
        return "too many elements"
    return "too deep" if _depth(bare) > MAX_DEPTH else ""


def without_strings(text: bytes) -> bytes:
    """Returns a JSON text with `0` in place of each string."""
    # Its brackets, commas and colons can then be counted without decoding the text.
    return _STRING.sub(b"0", text)


def _elements(bare: bytes) -> int:
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
        return len(value) <= ALLOWED_META.get(name, -1) and ALLOWED_META[name] > 0
    if name == "retry_in":
        return 0 <= value <= DAY_S
    return name in ALLOWED_META and abs(value) <= MAX_NUMBER

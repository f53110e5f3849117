"""The query string as the contract reads it: scalars, `name[]` lists, lenient integers."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from msgspec import Struct

MAX_VALUE_LENGTH = 255
"""No name, place or code of the contract comes near it; longer values are refused by every rule."""

MAX_INTEGER_DIGITS = 18
_LEADING_INTEGER = re.compile(rf"\s*([+-]?\d{{1,{MAX_INTEGER_DIGITS}}})", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # line and paragraph separators break lines too


class Malformed(Struct, frozen=True):
    """A value that no rule accepts: wrong type, too long, not UTF-8, line breaks. Its text is forgotten."""


MALFORMED = Malformed()


class Query(Struct, frozen=True):
    """`scalars` keep the last value of a repeated key; `lists` come from `name[]`. A name of one is malformed in the
    other."""

    scalars: dict[str, str | Malformed]
    lists: dict[str, tuple[str, ...] | Malformed]

    def scalar(self, name: str) -> str | Malformed | None:
        """None where absent. `name[]=x` is a wrong type for a scalar."""
        return self.scalars.get(name)

    def list(self, name: str) -> tuple[str, ...] | Malformed | None:
        """None where absent. `name=x` is a wrong type for a list."""
        return self.lists.get(name)


def parse_query(text: str) -> Query:
    """Never raises: what cannot be read becomes `MALFORMED` under its name."""
    scalars: dict[str, str | Malformed] = {}
    lists: dict[str, tuple[str, ...] | Malformed] = {}
    for pair in filter(None, text.split("&")):
        raw_name, equals, raw_value = pair.partition("=")
        name, value = _decode(raw_name), _decode(raw_value)
        if isinstance(name, Malformed):
            continue
        base, bracket, inside = name.partition("[")
        if not bracket:
            scalars[name] = value
        elif inside != "]":  # prenoms[0]=x, prenoms[][foo]=x
            lists[base] = MALFORMED
        else:
            lists[base] = _append(lists.get(base, ()), value if equals else None)
    return Query(scalars | dict.fromkeys(lists, MALFORMED), lists | dict.fromkeys(scalars, MALFORMED))


def leading_integer(text: str) -> int:
    """`"07"` is 7, `"12abc"` is 12, anything else is 0 (docs/reference/contract.md §0)."""
    if text.isdecimal() and text.isascii() and len(text) <= MAX_INTEGER_DIGITS:
        return int(text)
    match = _LEADING_INTEGER.match(text)
    return int(match[1]) if match else 0


def _append(items: tuple[str, ...] | Malformed, value: str | Malformed | None) -> tuple[str, ...] | Malformed:
    if isinstance(items, Malformed) or isinstance(value, Malformed):
        return MALFORMED
    return items if value is None else (*items, value)


def _decode(text: str) -> str | Malformed:
    if text.isascii() and text.isprintable() and len(text) <= MAX_VALUE_LENGTH and "%" not in text and "+" not in text:
        return text  # it stands for itself
    try:
        # Bytes that the HTTP server could not decode come as surrogates.
        value = unquote_to_bytes(text.replace("+", " ").encode(errors="surrogateescape")).decode()
    except UnicodeError:
        return MALFORMED
    return MALFORMED if len(value) > MAX_VALUE_LENGTH or _CONTROL.search(value) else value

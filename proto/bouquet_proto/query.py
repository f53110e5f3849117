"""Parsing of query strings by the contract's rules: single values (`name=x`), lists (`name[]=x`), and integers with
other text after them (`12abc`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from msgspec import Struct

MAX_VALUE_LENGTH = 255
"""Largest length, in characters, of a name or a value in a query. A longer one counts as malformed."""

MAX_INTEGER_DIGITS = 18
"""Largest number of digits that are read when a text is converted to an integer. Further digits are ignored."""
_LEADING_INTEGER = re.compile(rf"\s*([+-]?\d{{1,{MAX_INTEGER_DIGITS}}})", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # line and paragraph separators break lines too


class Malformed(Struct, frozen=True):
    """Marker for the value of a parameter that cannot be read, for example because it is not UTF-8. Every validation
    rule treats the marker as a fault."""


MALFORMED = Malformed()

QueryValue: TypeAlias = str | tuple[str, ...] | Malformed
"""Value of a parameter in a parsed query: a text, or a tuple for a list."""


class Query(Struct, frozen=True):
    """Parsed query string: the value of each parameter by name. A text was given as `name=x`, a tuple as `name[]=x`."""

    # The last text of a repeated parameter counts. A parameter given in both forms has the value `MALFORMED`.

    given: dict[str, QueryValue]

    def scalar(self, name: str) -> str | Malformed | None:
        """Returns the value of the parameter `name`, or None if it is absent. Returns `MALFORMED` if the query gives a
        list, `name[]=x`, instead."""
        value = self.given.get(name)
        return MALFORMED if isinstance(value, tuple) else value

    def list(self, name: str) -> tuple[str, ...] | Malformed | None:
        """Returns the values of the list parameter `name[]`, or None if it is absent. Returns `MALFORMED` if the query
        gives a single value, `name=x`, instead."""
        value = self.given.get(name)
        return MALFORMED if isinstance(value, str) else value


def parse_query(text: str) -> Query:
    """Parses a query string. Never raises: a value that cannot be read becomes `MALFORMED` under its parameter's
    name."""
    scalars: dict[str, str | Malformed] = {}
    lists: dict[str, list[str | Malformed]] = {}
    is_printable = text.isascii() and text.isprintable()
    for pair in filter(None, text.split("&")):
        name: str | Malformed
        value: str | Malformed
        name, equals, value = pair.partition("=")
        if not is_printable or "%" in pair or "+" in pair or len(pair) > MAX_VALUE_LENGTH:
            name, value = _decode(name), _decode(value)
            if isinstance(name, Malformed):
                continue
        if "[" not in name:
            scalars[name] = value
            continue
        base, _, inside = name.partition("[")
        items = lists.setdefault(base, [])
        if inside != "]":  # prenoms[0]=x, prenoms[][foo]=x
            items.append(MALFORMED)
        elif equals:
            items.append(value)
    read = {name: _tuple_of(items) for name, items in lists.items()}
    return Query(scalars | read | dict.fromkeys(scalars.keys() & read.keys(), MALFORMED))


def checked_value(value: str | Sequence[str]) -> QueryValue:
    """Returns a parameter's value as a parsed query (`Query.given`) holds it: a text, a tuple for a list, or
    `MALFORMED`."""
    return _checked(value) if isinstance(value, str) else _tuple_of([_checked(item) for item in value])


def leading_integer(text: str) -> int:
    """Returns the integer at the start of a text, or 0 if there is none: 7 for `07`, 12 for `12abc`
    (docs/reference/contract.md §0)."""
    if text.isdecimal() and text.isascii() and len(text) <= MAX_INTEGER_DIGITS:
        return int(text)
    match = _LEADING_INTEGER.match(text)
    return int(match[1]) if match else 0


def _tuple_of(items: Sequence[str | Malformed]) -> tuple[str, ...] | Malformed:
    texts = tuple(item for item in items if isinstance(item, str))
    return texts if len(texts) == len(items) else MALFORMED


def _is_plain(text: str) -> bool:
    """Returns whether a name or value in a query string can be used as it is: printable ASCII without encoded
    characters, and not longer than `MAX_VALUE_LENGTH`."""
    return (
        text.isascii() and text.isprintable() and len(text) <= MAX_VALUE_LENGTH and "%" not in text and "+" not in text
    )


def _decode(text: str) -> str | Malformed:
    if _is_plain(text):
        return text
    try:
        # The HTTP server passes bytes that are not UTF-8 as surrogates.
        value = unquote_to_bytes(text.replace("+", " ").encode(errors="surrogateescape")).decode()
    except UnicodeError:
        return MALFORMED
    return _checked(value)


def _checked(text: str) -> str | Malformed:
    return MALFORMED if len(text) > MAX_VALUE_LENGTH or _CONTROL.search(text) else text

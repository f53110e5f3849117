"""Example of an answer as lines of JSON, each with the scopes that open it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msgspec import Struct

from bouquet_portal.documents.model import Field

VALUES: dict[str, Any] = {
    "texte": "texte",
    "nombre entier": 1,
    "nombre": 1.5,
    "vrai ou faux": True,
    "date": "2026-09-01",
    "date et heure": "2026-09-01T08:00:00+02:00",
}
"""Values of fields for which the gateway's document has no example, by type."""


class Line(Struct, frozen=True):
    text: str
    scopes: tuple[str, ...] = ()
    """Scopes that open the field, on the first line of the field."""
    is_absent: bool = False
    """Whether the field is absent for want of its scopes."""


def lines(fields: Sequence[Field], closed: Collection[str]) -> list[Line]:
    """Returns the lines of an example. `closed` are scopes that the caller's token lacks."""
    return [Line("{"), Line('  "data": {'), *_members(fields, closed, 2, False), Line("  }"), Line("}")]


def _members(fields: Sequence[Field], closed: Collection[str], depth: int, absent: bool) -> Iterator[Line]:
    for number, field in enumerate(fields):
        comma = "," if number < len(fields) - 1 else ""
        gone = absent or (bool(field.scopes) and all(scope in closed for scope in field.scopes))
        own = field.scopes if field.begins_scopes else ()
        pad, name = "  " * depth, json.dumps(field.name, ensure_ascii=False)
        if field.children:
            begin, end = ("[{", "}]") if field.is_list else ("{", "}")
            yield Line(f"{pad}{name}: {begin}", own, gone)
            yield from _members(field.children, closed, depth + 1, gone)
            yield Line(f"{pad}{end}{comma}", (), gone)
        else:
            yield Line(f"{pad}{name}: {_value(field)}{comma}", own, gone)


def _value(field: Field) -> str:
    if field.example is not None:
        return json.dumps(field.example, ensure_ascii=False)
    kind = field.kind.removeprefix("liste de ").removesuffix("s") if field.is_list else field.kind
    value = field.choices[0] if field.choices else VALUES.get(kind, "texte")
    return json.dumps([value] if field.is_list else value, ensure_ascii=False)

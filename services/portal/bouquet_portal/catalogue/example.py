"""Example of an operation's answer, as lines of JSON for a page. The first line of each field tells which scopes give
access to the field."""

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
"""Example value of each type of field, by the type's French name, for fields without documented example or choices."""


class Line(Struct, frozen=True):
    text: str
    scopes: tuple[str, ...] = ()
    """Scopes that give access to the field on this line. Empty if no field begins here, or if the field has the same
    scopes as the object around it."""
    is_absent: bool = False
    """Whether the caller's answer would lack the field on this line, since the caller has none of its scopes."""


def lines(fields: Sequence[Field], scopes: Collection[str], data: Any = None) -> list[Line]:
    """Returns an example answer as lines of JSON. Fields that a caller with these scopes does not get are marked as
    absent. `data` holds the values; if `data` is None, values are made up."""
    members = data if isinstance(data, dict) else of_types(fields)
    return [Line("{"), Line('  "data": {'), *_members(fields, members, scopes, 2, False), Line("  }"), Line("}")]


def of_types(fields: Sequence[Field]) -> dict[str, Any]:
    """Returns made-up data for these fields: the documented example of each field or, without one, a value of its
    type."""
    return {field.name: _of_type(field) for field in fields}


def _of_type(field: Field) -> Any:
    if field.example is not None:
        return field.example
    if field.children:
        value: Any = of_types(field.children)
    else:
        kind = field.kind.removeprefix("liste de ").removesuffix("s") if field.is_list else field.kind
        value = field.choices[0] if field.choices else VALUES.get(kind, "texte")
    return [value] if field.is_list else value


def _members(
    fields: Sequence[Field], values: dict[str, Any], scopes: Collection[str], depth: int, absent: bool
) -> Iterator[Line]:
    shown = [field for field in fields if field.name in values]
    for number, field in enumerate(shown):
        comma = "," if number < len(shown) - 1 else ""
        gone = absent or not field.is_open(scopes)
        own = field.scopes if field.begins_scopes else ()
        yield from _value(field, values[field.name], scopes, Place(depth, comma, gone, own))


class Place(Struct, frozen=True):
    """Position and look of a field in an example answer. `depth` is its level of indentation. `comma` is the text after
    its value: `,`, or "" for the last field of an object."""

    depth: int
    comma: str
    is_absent: bool
    scopes: tuple[str, ...]


def _value(field: Field, value: Any, scopes: Collection[str], place: Place) -> Iterator[Line]:
    pad, name, gone = "  " * place.depth, json.dumps(field.name, ensure_ascii=False), place.is_absent
    match value:
        case dict() if field.children:
            yield Line(f"{pad}{name}: {{", place.scopes, gone)
            yield from _members(field.children, value, scopes, place.depth + 1, gone)
            yield Line(f"{pad}}}{place.comma}", (), gone)
        case [dict(), *_] if field.children:
            yield Line(f"{pad}{name}: [", place.scopes, gone)
            for number, item in enumerate(value):
                yield Line(f"{pad}  {{", (), gone)
                yield from _members(field.children, item, scopes, place.depth + 2, gone)
                yield Line(f"{pad}  }}{',' if number < len(value) - 1 else ''}", (), gone)
            yield Line(f"{pad}]{place.comma}", (), gone)
        case _:
            yield Line(f"{pad}{name}: {json.dumps(value, ensure_ascii=False)}{place.comma}", place.scopes, gone)

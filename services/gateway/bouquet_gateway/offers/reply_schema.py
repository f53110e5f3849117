"""Whether what a worker found has the shape that it offered: a JSON schema made into a type that msgspec reads.

Names and types are checked, of every field. Formats, patterns and ranges are not: a pattern is the worker's own, and
may take for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, reduce
from operator import or_
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Raw

Schema: TypeAlias = Mapping[str, Any]

SCALARS: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
GATE = {"$any": list[str]}
"""What every object of a gated resource may say besides (`fields.open_gates`)."""


class ReplySchema:
    """Of an operation's data. Made when it is first needed: most operations of a catalogue wait long for a call."""

    def __init__(self, schema: Schema, *, gated: bool = False) -> None:
        self._schema = schema
        self._more = GATE if gated else {}

    def read(self, data: Raw) -> Raw | None:
        """`None` for another shape. Fields that the schema does not name are left out, since no scope opens them: a
        worker newer than the offer that was heard may have some. A name that is given twice is left once, with its
        last value: readers of JSON differ in which they take (RFC 8259 §4)."""
        try:
            sent, read = bytes(data), msgspec.json.encode(self._exact.decode(data))
            return data if read == sent or read.count(b":") == sent.count(b":") else Raw(read)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        try:
            return Raw(msgspec.json.encode(self._lenient.decode(data)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    @cached_property
    def _exact(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(_Types(self._more, exact=True).of(self._schema))

    @cached_property
    def _lenient(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(_Types(self._more, exact=False).of(self._schema))


class _Types:
    def __init__(self, more: dict[str, Any], *, exact: bool) -> None:
        self._more = more
        self._exact = exact

    def of(self, schema: Schema) -> Any:
        """`Raw` is anything at all: what the schema does not say, or says in a way that no offer of ours does."""
        match schema:
            case {"anyOf": list(options)}:
                return _one_of([self.of(option) for option in options])
            case {"enum": list(values)} if values and all(isinstance(value, str | int | None) for value in values):
                return Literal[tuple(values)]
            case {"properties": dict(properties)}:
                return self._object(properties, schema.get("required", ()))
            case {"type": "array"}:
                return list[self.of(schema.get("items", {}))]  # type: ignore[misc]
            case {"type": "object", "additionalProperties": dict(values)}:
                return dict[str, self.of(values)]  # type: ignore[misc]
            case {"type": "object"}:
                return dict[str, Raw]
            case {"type": str(kind)} if kind in SCALARS:
                return SCALARS[kind]
            case _:
                return Raw

    def _object(self, properties: Mapping[str, Schema], required: tuple[str, ...]) -> Any:
        """Fields that scopes open are not required by the schema, since it is also that of the filtered resource."""
        types = {name: self.of(schema) for name, schema in properties.items()} | self._more
        names = {f"field_{number}": name for number, name in enumerate(types)}
        needed = [(field, types[name]) for field, name in names.items() if name in required]
        others = [(field, types[name], UNSET) for field, name in names.items() if name not in required]
        return msgspec.defstruct("Resource", [*needed, *others], rename=names, forbid_unknown_fields=self._exact)


def _one_of(types: list[Any]) -> Any:
    """Two objects, for instance, cannot be told apart by msgspec."""
    try:
        union = reduce(or_, types)
        msgspec.json.Decoder(union)
    except TypeError:
        return Raw
    return union

"""Check of replies against the offered schema: a JSON schema made into a type that msgspec decodes.

The names and types of all fields are checked. Formats, patterns and ranges are not: a pattern is written by the worker,
and may take very long to match.
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
"""Additional field of every object of a gated resource (`scope_filter.open_gates`)."""


class ReplySchema:
    """Schema of an operation's data. Types are built at the first reply, since most operations of a catalogue are
    seldom called."""

    def __init__(self, schema: Schema, *, gated: bool = False) -> None:
        self._schema = schema
        self._gate_fields = GATE if gated else {}

    def read(self, data: Raw) -> Raw | None:
        """Returns the data with the fields of the schema only; `None` for data that does not match.

        A field that the schema does not name, as a newer worker may send, is removed, since no scope opens it. Of a
        name given twice the last value is kept: JSON parsers differ in which they take (RFC 8259 §4).
        """
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
        return msgspec.json.Decoder(_TypeBuilder(self._gate_fields, exact=True).type_of(self._schema))

    @cached_property
    def _lenient(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(_TypeBuilder(self._gate_fields, exact=False).type_of(self._schema))


class _TypeBuilder:
    def __init__(self, gate_fields: dict[str, Any], *, exact: bool) -> None:
        self._gate_fields = gate_fields
        self._exact = exact

    def type_of(self, schema: Schema) -> Any:
        """Returns the type for a schema; `Raw`, which accepts anything, for keywords that no offer of ours uses."""
        match schema:
            case {"anyOf": list(options)}:
                return _union_of([self.type_of(option) for option in options])
            case {"enum": list(values)} if values and all(isinstance(value, str | int | None) for value in values):
                return Literal[tuple(values)]
            case {"properties": dict(properties)}:
                return self._object(properties, schema.get("required", ()))
            case {"type": "array"}:
                return list[self.type_of(schema.get("items", {}))]  # type: ignore[misc]
            case {"type": "object", "additionalProperties": dict(values)}:
                return dict[str, self.type_of(values)]  # type: ignore[misc]
            case {"type": "object"}:
                return dict[str, Raw]
            case {"type": str(kind)} if kind in SCALARS:
                return SCALARS[kind]
            case _:
                return Raw

    def _object(self, properties: Mapping[str, Schema], required: tuple[str, ...]) -> Any:
        """Returns a struct type. Fields that scopes open are not required by the schema, which is also that of the
        filtered resource."""
        types = {name: self.type_of(schema) for name, schema in properties.items()} | self._gate_fields
        names = {f"field_{number}": name for number, name in enumerate(types)}
        needed = [(field, types[name]) for field, name in names.items() if name in required]
        others = [(field, types[name], UNSET) for field, name in names.items() if name not in required]
        return msgspec.defstruct("Resource", [*needed, *others], rename=names, forbid_unknown_fields=self._exact)


def _union_of(types: list[Any]) -> Any:
    """Returns the union of the types; `Raw` where msgspec cannot tell them apart, for instance two objects."""
    try:
        union = reduce(or_, types)
        msgspec.json.Decoder(union)
    except TypeError:
        return Raw
    return union

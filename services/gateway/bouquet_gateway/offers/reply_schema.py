"""Check of a reply's data, names and types of all fields, against the operation's JSON schema."""
# Workers write the patterns, and a pattern can take very long to match.

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, reduce
from operator import or_
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Raw

from bouquet_proto.limits import without_strings
from bouquet_proto.schemas import ALWAYS

Schema: TypeAlias = Mapping[str, Any]

SCALARS: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
GATE = {"$any": list[str]}
"""Name and type of the member `$any`, which lists scopes. A caller with none of the scopes gets an empty object. Only
operations declared as `gated` may use `$any`."""
# Other callers get an empty object.


class ReplySchema:
    """Check of the data in an operation's replies against the operation's JSON schema."""

    def __init__(self, schema: Schema, *, gated: bool = False) -> None:
        self._schema = schema
        self._gate_fields = GATE if gated else {}

    def read(self, data: Raw) -> Raw | None:
        """Returns the data without the fields that the schema does not declare. Returns `None` if a declared field is
        missing or has a wrong type."""
        # If an object has two fields of one name, only the last is kept, since JSON parsers differ in which one they
        # take (RFC 8259 §4).
        try:
            sent, read = bytes(data), msgspec.json.encode(self._exact.decode(data))
            return data if read == sent or _count_members(read) == _count_members(sent) else Raw(read)
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
        """Returns the msgspec type for a JSON schema. An unsupported schema becomes `Any`, which accepts every JSON
        value."""
        # `Raw` would also accept numbers such as `1e400`, which cannot be decoded.
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
                return dict[str, Any]
            case {"type": str(kind)} if kind in SCALARS:
                return SCALARS[kind]
            case _:
                return Any

    def _object(self, properties: Mapping[str, Schema], required: tuple[str, ...]) -> Any:
        """Returns a msgspec struct for an object schema. A field may be absent, unless `required` lists the field or
        its own schema has the keyword `ALWAYS`."""
        types = {name: self.type_of(schema) for name, schema in properties.items()} | self._gate_fields
        always = (name for name, schema in properties.items() if isinstance(schema, dict) and schema.get(ALWAYS))
        needed = {*required, *always}
        names = {f"field_{number}": name for number, name in enumerate(types)}
        fields = [
            (field, types[name]) if name in needed else (field, types[name], UNSET) for field, name in names.items()
        ]
        # In the schema's order, with required and optional fields mixed: data in the same order then pass `read`
        # without a difference.
        return msgspec.defstruct("Resource", fields, kw_only=True, rename=names, forbid_unknown_fields=self._exact)


def _count_members(text: bytes) -> int:
    """Returns the number of members of all objects in a JSON text."""
    # The number shows whether decoding has removed members.
    # Without its strings, in which a worker may spell a colon as it likes (`\\u003a`).
    return without_strings(text).count(b":")


def _union_of(types: list[Any]) -> Any:
    """Returns the union of msgspec types. Returns `Any`, which accepts every value, if msgspec cannot tell the types
    apart."""
    try:
        union = reduce(or_, types)
        msgspec.json.Decoder(union)
    except TypeError:
        return Any
    return union

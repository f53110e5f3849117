"""Type `Public` for the fields of an upstream's answers whose values identify no person, such as a code of a status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T")

_MARK = "public"
Public: TypeAlias = Annotated[T, Meta(extra={_MARK: True})]
"""Type of a field of an upstream's answer whose values identify no person, as in `state: Public[str]`. `bouquet-worker
record` keeps the values of these fields, and replaces the values of all others."""


class KnownFields(Struct, frozen=True):
    """Names of fields in an upstream's answers. `read` contains the fields that a worker reads, and `public` the fields
    among them whose values identify no person."""

    read: frozenset[str]
    public: frozenset[str]


def known_fields(models: Iterable[type[Struct]]) -> KnownFields:
    """Returns the JSON names of the fields of the structs `models`, and which of them are public. A name is public only
    if every struct that has a field of this name marks the field `Public`."""
    marks: dict[str, bool] = {}
    for model in models:
        info = msgspec.inspect.type_info(model)
        assert isinstance(info, msgspec.inspect.StructType)
        for field in info.fields:
            marks[field.encode_name] = _is_public(field.type) and marks.get(field.encode_name, True)
    return KnownFields(frozenset(marks), frozenset(name for name, public in marks.items() if public))


def _is_public(kind: msgspec.inspect.Type) -> bool:
    return isinstance(kind, msgspec.inspect.Metadata) and bool((kind.extra or {}).get(_MARK))

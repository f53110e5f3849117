"""Type `Public` for the fields of an upstream's answers whose values identify no person, such as a code of a status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T")

_MARK = "public"
Public: TypeAlias = Annotated[T, Meta(extra={_MARK: True})]
"""Type of a field whose values identify no person, as in `state: Public[str]`. `bouquet-worker record` keeps the values
of public fields, and replaces all others."""


class KnownFields(Struct, frozen=True):
    """Names of fields in an upstream's answers. `read` contains all fields that a worker reads. `public` contains only
    fields whose values identify no person."""

    read: frozenset[str]
    public: frozenset[str]


def known_fields(models: Iterable[type[Struct]]) -> KnownFields:
    """Returns the JSON names of all fields in the structs `models`. A name is public only if all fields with this name
    are marked `Public`."""
    marks: dict[str, bool] = {}
    for model in models:
        info = msgspec.inspect.type_info(model)
        assert isinstance(info, msgspec.inspect.StructType)
        for field in info.fields:
            marks[field.encode_name] = _is_public(field.type) and marks.get(field.encode_name, True)
    return KnownFields(frozenset(marks), frozenset(name for name, public in marks.items() if public))


def _is_public(kind: msgspec.inspect.Type) -> bool:
    return isinstance(kind, msgspec.inspect.Metadata) and bool((kind.extra or {}).get(_MARK))

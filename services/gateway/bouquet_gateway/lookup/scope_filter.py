"""Filter by scopes (step 9 in docs/architecture.md). Fields outside the caller's scopes are left out of the data, not
replaced by null."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from bouquet_proto.offer import Operation

ClosedFields: TypeAlias = dict[str, "ClosedFields"]
"""Fields to remove, as nested dicts: `{"adresse": {"pays": {}}}` removes the field `pays` of `adresse`."""

_members = msgspec.json.Decoder(dict[str, Raw])
_items = msgspec.json.Decoder(list[Raw])


def open_fields(data: Raw, operation: Operation, scopes: frozenset[str]) -> Raw:
    """Returns an answer's data without the fields to which the caller's scopes give no access."""
    # Closed fields are left out (`filter_data`). If the operation is `gated`, objects may also list scopes themselves,
    # and closed ones are emptied (`open_gates`).
    ungated = open_gates(data, scopes) if operation.gated else data
    return filter_data(ungated, operation.fields, scopes)


def filter_data(data: Raw, fields: Mapping[str, tuple[str, ...]], scopes: frozenset[str]) -> Raw:
    """Returns `data` without the fields to which `scopes` give no access. `fields` lists the scopes of each field, by
    its dotted path. One listed scope is enough; an entry `a&b` requires both `a` and `b`."""
    cuts = closed_fields(tuple(fields.items()), scopes)
    return _without(data, cuts) if cuts else data


@lru_cache(maxsize=4096)
def closed_fields(fields: tuple[tuple[str, tuple[str, ...]], ...], scopes: frozenset[str]) -> ClosedFields:
    """Returns the fields to which `scopes` give no access. Each item of `fields` is a field's dotted path and its
    scopes."""
    closed = {path for path, opening in fields if not _opens(opening, scopes)}
    cuts: ClosedFields = {}
    for path in closed:
        steps = path.split(".")
        if closed.isdisjoint(".".join(steps[:depth]) for depth in range(1, len(steps))):
            _cut(cuts, steps)
    return cuts


def _opens(opening: tuple[str, ...], scopes: frozenset[str]) -> bool:
    return any(scopes.issuperset(alternative.split("&")) for alternative in opening)


def _cut(cuts: ClosedFields, steps: list[str]) -> None:
    for step in steps:
        cuts = cuts.setdefault(step, {})


def _without(data: Raw, cuts: ClosedFields) -> Raw:
    """Returns `data` without the fields in `cuts`. If `data` is a list, the fields are removed from each of its
    items."""
    match bytes(data).lstrip()[:1]:
        case b"{":
            members = _members.decode(data)
            kept = {
                name: _without(member, cuts[name]) if name in cuts else member
                for name, member in members.items()
                if cuts.get(name) != {}
            }
            return Raw(msgspec.json.encode(kept))
        case b"[":
            return Raw(msgspec.json.encode([_without(item, cuts) for item in _items.decode(data)]))
        case _:
            return data


def open_gates(data: Raw, scopes: frozenset[str]) -> Raw:
    """Returns `data` after emptying the objects to which `scopes` give no access. An object's member `$any` lists
    scopes, of which one is enough; the member is removed. With scope `a`, `{"$any":["a","b"],"x":1}` becomes `{"x":1}`;
    without `a` and `b`, it becomes `{}`."""
    return Raw(msgspec.json.encode(_gated(msgspec.json.decode(data), scopes)))


def _gated(node: Any, scopes: frozenset[str]) -> Any:
    match node:
        case {"$any": opening} if scopes.isdisjoint(opening):
            return {}
        case dict():
            return {name: _gated(value, scopes) for name, value in node.items() if name != "$any"}
        case list():
            return [_gated(item, scopes) for item in node]
        case _:
            return node

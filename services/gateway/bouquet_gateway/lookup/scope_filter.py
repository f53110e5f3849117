"""Hop 9: the caller's scopes open fields; what is not open is absent, not null."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from bouquet_proto.offer import Operation

Cuts: TypeAlias = dict[str, "Cuts"]
"""The closed fields of a resource, as a tree: an empty leaf goes away with all that it holds."""

_members = msgspec.json.Decoder(dict[str, Raw])
_items = msgspec.json.Decoder(list[Raw])


def open_fields(data: Raw, operation: Operation, scopes: frozenset[str]) -> Raw:
    """Returns `data` of an operation without what `scopes` do not open."""
    whole = open_gates(data, scopes) if operation.gated else data
    return filter_data(whole, operation.fields, scopes)


def filter_data(data: Raw, fields: Mapping[str, tuple[str, ...]], scopes: frozenset[str]) -> Raw:
    """`data` without the closed fields; untouched, byte for byte, where all are open.

    `fields` are the dotted paths that scopes open, of which one is enough.
    """
    cuts = cuts_of(tuple(fields.items()), scopes)
    return _without(data, cuts) if cuts else data


@lru_cache(maxsize=4096)
def cuts_of(fields: tuple[tuple[str, tuple[str, ...]], ...], scopes: frozenset[str]) -> Cuts:
    closed = {path for path, opening in fields if not _opens(opening, scopes)}
    cuts: Cuts = {}
    for path in closed:
        steps = path.split(".")
        if closed.isdisjoint(".".join(steps[:depth]) for depth in range(1, len(steps))):
            _cut(cuts, steps)
    return cuts


def _opens(opening: tuple[str, ...], scopes: frozenset[str]) -> bool:
    return any(scopes.issuperset(alternative.split("&")) for alternative in opening)


def _cut(cuts: Cuts, steps: list[str]) -> None:
    for step in steps:
        cuts = cuts.setdefault(step, {})


def _without(data: Raw, cuts: Cuts) -> Raw:
    """Lists are walked through; a value that is neither list nor object has nothing to lose."""
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
    """For resources whose objects name in `$any` the scopes of which one opens them: the name goes, and with it, where
    none is held, all that the object holds."""
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

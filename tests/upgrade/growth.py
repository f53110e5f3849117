"""Comparison of a JSON schema with a former one: readers and writers of both must understand each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]

TEXTS = frozenset({"title", "description", "examples", "discriminator"})
"""Keywords that say nothing about which values are valid."""
COMPARED_APART = frozenset({"properties", "required", "anyOf", "enum"})
"""Keywords whose values may grow."""
ELEMENTS = ("items", "additionalProperties")
"""Keywords whose value may be the schema of all elements."""
TAG = "type"
"""Field of a message whose value is its tag."""


def breaks(former: Json, present: Json, at: str = "") -> Iterator[str]:
    """Yields a description of each difference by which a process of one release could not read, or would read
    otherwise, what one of the other writes.

    Allowed are new fields with a default, and new alternatives of messages and texts.
    """
    known = former.get("properties", {})
    fields = present.get("properties", {})
    for name, field in known.items():
        here = f"{at}.{name}"
        if name not in fields:
            yield f"{here} is removed"
            continue
        yield from breaks(field, fields[name], here)
        if (name in former.get("required", ())) != (name in present.get("required", ())):
            yield f"{here} is mandatory in one release alone"
    for name in fields.keys() - known.keys() if "properties" in former else ():
        if name in present.get("required", ()):
            yield f"{at}.{name} is new and mandatory"
    yield from _breaks_of_choices(former.get("anyOf", ()), present.get("anyOf", ()), at)
    for value in former.get("enum", ()):
        if value not in present.get("enum", ()):
            yield f"{at} no longer allows {value!r}"
    for keyword in sorted((former.keys() | present.keys()) - COMPARED_APART - TEXTS):
        match former.get(keyword), present.get(keyword):
            case (dict() as before, dict() as after) if keyword in ELEMENTS:
                yield from breaks(before, after, f"{at}[]")
            case before, after if before != after:
                yield f"{at} has another {keyword}: {before!r} became {after!r}"


def _breaks_of_choices(former: Sequence[Json], present: Sequence[Json], at: str) -> Iterator[str]:
    alternatives = {_name_of(choice): choice for choice in present}
    for choice in former:
        name = _name_of(choice)
        if name in alternatives:
            yield from breaks(choice, alternatives[name], f"{at}({name})")
        else:
            yield f"{at} no longer allows {name}"


def _name_of(choice: Json) -> str:
    """Returns the tag of a message, or else the type of a value."""
    tag = choice.get("properties", {}).get(TAG, {}).get("enum")
    return str(tag[0]) if tag else str(choice.get("type", "enum"))

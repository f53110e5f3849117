"""Comparison of the JSON schema of a message with that of the former release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from bouquet_proto.schemas import ALWAYS

Json: TypeAlias = Mapping[str, Any]

TEXTS = frozenset({"title", "description", "examples", "discriminator", ALWAYS})
"""JSON schema keywords that do not change which values are valid. A release that does not know `ALWAYS` ignores it."""
COMPARED_APART = frozenset({"properties", "required", "anyOf", "enum"})
"""JSON schema keywords whose values may grow from one release to the next. `breaks` compares each of them by a rule of
its own."""
ELEMENTS = ("items", "additionalProperties")
"""JSON schema keywords that may hold a schema for all elements of an array, or for the members of an object that
`properties` does not name."""
TAG = "type"
"""Name of the field that tells apart the messages of one kind, such as the different requests. Its value is the
message's tag."""


def breaks(former: Json, present: Json, at: str = "", *, is_decoded: bool = True) -> Iterator[str]:
    """Yields a description of each difference because of which one release may misread a message of the other. New
    fields with a default and messages with a new tag are allowed. `is_decoded` is false for values that the mesh passes
    on without decoding them; they may also have new alternatives, such as null or a text."""
    more = partial(breaks, is_decoded=is_decoded)
    known = former.get("properties", {})
    fields = present.get("properties", {})
    for name, field in known.items():
        here = f"{at}.{name}"
        if name not in fields:
            yield f"{here} is removed"
            continue
        yield from more(field, fields[name], here)
        if (name in former.get("required", ())) != (name in present.get("required", ())):
            yield f"{here} is mandatory in one release alone"
    for name in fields.keys() - known.keys() if "properties" in former else ():
        if name in present.get("required", ()):
            yield f"{at}.{name} is new and mandatory"
    known_choices, choices = _choices(former), _choices(present)
    for choice, schema in known_choices.items():
        if choice in choices:
            yield from more(schema, choices[choice], f"{at}({choice})")
        else:
            yield f"{at} no longer allows {choice}"
    for choice, schema in choices.items() if known_choices and is_decoded else ():
        if choice not in known_choices and not _tag_of(schema):
            yield f"{at} also allows {choice}"
    for keyword in sorted((former.keys() | present.keys()) - COMPARED_APART - TEXTS):
        match former.get(keyword), present.get(keyword):
            case (dict() as before, dict() as after) if keyword in ELEMENTS:
                yield from more(before, after, f"{at}[]")
            case before, after if before != after:
                yield f"{at} has another {keyword}: {before!r} became {after!r}"


def _choices(schema: Json) -> dict[str, Json]:
    """Returns the schema of each alternative that a schema allows. The key is the tag of a message, the JSON type of
    another schema, or an allowed value of an `enum`, as text. The schema of such a value is empty."""
    values: dict[str, Json] = {repr(value): {} for value in schema.get("enum", ())}
    return values | {_tag_of(one) or str(one.get("type", "enum")): one for one in schema.get("anyOf", ())}


def _tag_of(schema: Json) -> str:
    """Returns the tag of a message, empty for any other value."""
    tag = schema.get("properties", {}).get(TAG, {}).get("enum")
    return str(tag[0]) if tag else ""

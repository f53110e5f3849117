"""Components of an OpenAPI document: schemas and headers that are defined once and referred to by name."""
# Client generators name a type after its component. They name an object without a component by its title, and lose one
# of two objects with the same title.

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import chain, count
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

OMITTED_KEYWORDS = ("title", "default")
"""JSON Schema keywords that the OpenAPI document leaves out, since client generators misread them."""
# Generators merge two objects with the same title, and treat a field with a default as always present.
WORDS = re.compile(r"[A-Za-z\d]+")


def pascal(text: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in WORDS.findall(text))


class Components:
    """Collection of the schemas and headers to which an OpenAPI document refers by name."""

    def __init__(self) -> None:
        self._schemas: Json = {}
        self._headers: Json = {}

    def as_json(self) -> Json:
        """Returns the headers and schemas as they stand in the document's object `components`."""
        return {"headers": dict(sorted(self._headers.items())), "schemas": dict(sorted(self._schemas.items()))}

    def headers(self, known: Mapping[str, Json], names: Iterable[str]) -> Json:
        """Adds the headers `names`, defined in `known`, to the components. Returns references to the headers, by
        name."""
        return {name: self._header(name, known[name]) for name in names}

    def schemas(self, known: Mapping[str, Json]) -> Json:
        """Adds all schemas in `known` to the components, under their keys. Returns a reference to the first schema."""
        self._schemas |= known
        return _reference("schemas", next(iter(known)))

    def extract_objects(self, schema: Any, *names: str) -> Any:
        """Moves every object schema inside `schema` to a component of its own, and returns `schema` with references to
        these components. `names` holds names for the outermost component, in order of preference."""
        # The component of the outermost object gets the first of `names` that is free or already names an equal schema.
        # For an object in a field, each of `names` is followed by the name of the field.
        if not isinstance(schema, Mapping):
            return schema
        inner = {key: self._within(key, value, names) for key, value in schema.items() if key not in OMITTED_KEYWORDS}
        return self._named(inner, names) if "properties" in inner else inner

    def _within(self, key: str, value: Any, names: tuple[str, ...]) -> Any:
        match key, value:
            case "properties", dict():
                return {
                    field: self.extract_objects(inner, *(name + pascal(field) for name in names))
                    for field, inner in value.items()
                }
            case (("anyOf" | "oneOf" | "allOf" | "prefixItems"), list()):
                return [self.extract_objects(inner, *names) for inner in value]
            case (("items" | "additionalProperties"), dict()):
                return self.extract_objects(value, *names)
            case _:
                return value

    def _named(self, schema: Json, names: tuple[str, ...]) -> Json:
        for name in chain(names, (f"{names[-1]}{number}" for number in count(2))):
            if self._schemas.setdefault(name, schema) == schema:
                return _reference("schemas", name)
        raise AssertionError

    def _header(self, name: str, header: Json) -> Json:
        self._headers[name] = header
        return _reference("headers", name)


def _reference(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}

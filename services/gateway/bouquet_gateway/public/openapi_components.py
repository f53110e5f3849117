"""The components of an OpenAPI document: what several places of it share, each under one name.

Generators name a type of a client by its component. An object that stands inline is named by its title or by a guess,
and of two that are named alike one is lost, with the answer that it is in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import chain, count
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

NOT_TOLD = ("title", "default")
"""Keywords that are left out of the schema of data. Two objects of one title are one class for a generator of clients;
and a field with a default is always there for it, also where the answer lacks it."""
WORDS = re.compile(r"[A-Za-z\d]+")


def pascal(text: str) -> str:
    """`nom_commune` and `nom-commune` are `NomCommune`."""
    return "".join(word[0].upper() + word[1:] for word in WORDS.findall(text))


class Components:
    """Those that a document uses, collected while it is made."""

    def __init__(self) -> None:
        self._schemas: Json = {}
        self._headers: Json = {}

    def told(self) -> Json:
        return {"headers": dict(sorted(self._headers.items())), "schemas": dict(sorted(self._schemas.items()))}

    def headers(self, known: Mapping[str, Json], names: Iterable[str]) -> Json:
        """References, by name."""
        return {name: self._header(name, known[name]) for name in names}

    def schemas(self, known: Mapping[str, Json]) -> Json:
        """A reference to the first; the others are what it refers to."""
        self._schemas |= known
        return _reference("schemas", next(iter(known)))

    def hoisted(self, schema: Any, *names: str) -> Any:
        """The schema with every object in it made a component. The outermost takes the first of `names` that is free
        or is the same; those within add the fields that lead to them."""
        if not isinstance(schema, Mapping):
            return schema
        inner = {key: self._within(key, value, names) for key, value in schema.items() if key not in NOT_TOLD}
        return self._named(inner, names) if "properties" in inner else inner

    def _within(self, key: str, value: Any, names: tuple[str, ...]) -> Any:
        match key, value:
            case "properties", dict():
                return {
                    field: self.hoisted(inner, *(name + pascal(field) for name in names))
                    for field, inner in value.items()
                }
            case (("anyOf" | "oneOf" | "allOf" | "prefixItems"), list()):
                return [self.hoisted(inner, *names) for inner in value]
            case (("items" | "additionalProperties"), dict()):
                return self.hoisted(value, *names)
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

"""JSON schemas of public resources, made from the resources' structs. A worker sends them to gateways in its offer (the
description of its operations)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from inspect import cleandoc
from typing import Any

import msgspec
from msgspec import Struct

_REF = "#/$defs/"
ALWAYS = "x-always"
"""Key in the JSON schema of a field that every reply of a worker must have."""
# The schema does not list the field under `required`, since callers without its scopes do not get it.


class UnknownFieldError(LookupError):
    """Error for a dotted path that does not exist in a struct. The error's text names the path and, if there is one, a
    similar field."""


def schema_of(data: type[Struct], fields: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Returns the JSON schema of the struct `data`. `fields` maps dotted paths of fields to scopes, which the schema
    shows as `x-scopes`. Raises `UnknownFieldError` for a path that the struct does not have."""
    # The schema has no references, so that it can be placed anywhere in a document. A field with scopes is not
    # required, since it may be filtered out.
    schema = msgspec.json.schema(data)
    whole: dict[str, Any] = _inline(schema, schema.get("$defs", {}))
    for path, scopes in fields.items():
        try:
            _mark(whole, path.split("."), scopes)
        except KeyError:
            near = get_close_matches(path, _paths(whole), n=1)
            hint = f"; is it {near[0]}?" if near else ""
            raise UnknownFieldError(f"{path}, which {data.__name__} does not have{hint}") from None
    return whole


def _paths(node: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yields the dotted path of each field in the schema `node`, with the prefix `path`."""
    for name, field in node.get("properties", {}).items():
        yield f"{path}{name}"
        yield from _paths(field, f"{path}{name}.")
    items = node.get("items")
    for inner in (*node.get("anyOf", ()), *([items] if isinstance(items, dict) else ())):
        yield from _paths(inner, path)


def _inline(node: Any, definitions: Mapping[str, Any]) -> Any:
    match node:
        case {"$ref": str(ref), **rest}:
            target = _inline(definitions[ref.removeprefix(_REF)], definitions)
            return target | _inline(rest, definitions) if not rest.keys() <= {"$defs"} else target
        case dict():
            inlined = {key: _inline(value, definitions) for key, value in node.items() if key != "$defs"}
            if isinstance(text := inlined.get("description"), str):
                inlined["description"] = cleandoc(text)  # before Python 3.13 docstrings keep their source's indentation
            return inlined
        case list():
            return [_inline(item, definitions) for item in node]
        case _:
            return node


def _mark(node: dict[str, Any], path: list[str], scopes: tuple[str, ...]) -> None:
    """Marks the field at `path` as optional in a schema, and adds the scopes that give access to it. Raises `KeyError`
    if there is no such field."""
    # Optional, since some callers do not get the field.
    # A misspelt path would leave a field open to every caller.
    holder = _object_of(node)
    name, *rest = path
    if rest:
        return _mark(holder["properties"][name], rest, scopes)
    required = holder.get("required", [])
    always = {ALWAYS: True} if name in required else {}
    holder["properties"][name] = holder["properties"][name] | {"x-scopes": list(scopes)} | always
    holder["required"] = [field for field in required if field != name]
    return None


def _object_of(node: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of the object that `node` describes: directly, as the items of a list, or as an alternative to
    null."""
    if "properties" in node:
        return node
    if "items" in node:
        return _object_of(node["items"])
    return next(_object_of(option) for option in node["anyOf"] if option != {"type": "null"})

"""The OpenAPI document of all offers, and its constructs that client generators misread."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import msgspec

from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.public.openapi import document
from bouquet_proto.names import WORKERS

METHODS = ("get", "post", "put", "patch", "delete")


@cache
def in_production() -> Any:
    """Returns the OpenAPI document that a gateway publishes for the offers of all providers, decoded from JSON."""
    catalogue = Catalogue([entry.load().offer() for entry in entry_points(group=WORKERS)])
    return msgspec.json.decode(msgspec.json.encode(document(catalogue.by_path, monitored=catalogue.monitored)))


def operations_of(document: Any) -> Iterator[tuple[str, Any]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, item[method]


def walk(node: Any, path: str = "#") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        yield path, node
        for name, value in node.items():
            yield from walk(value, f"{path}/{name}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from walk(value, f"{path}/{number}")


def references_of(node: Any) -> set[str]:
    return {one["$ref"] for _, one in walk(node) if isinstance(one.get("$ref"), str)}


def target_of(document: Any, reference: str) -> Any:
    node = document
    for step in reference.removeprefix("#/").split("/"):
        node = node.get(step) if isinstance(node, dict) else None
    return node


def whole_of(document: Any, node: Any, within: frozenset[str] = frozenset()) -> Any:
    """Returns a schema with each `$ref` replaced by its target."""
    # A `$ref` from inside that same schema is kept, since its replacement would never end.
    match node:
        case {"$ref": str(reference)} if reference not in within:
            return whole_of(document, target_of(document, reference), within | {reference})
        case dict():
            return {name: whole_of(document, value, within) for name, value in node.items()}
        case list():
            return [whole_of(document, value, within) for value in node]
        case _:
            return node


def suspects(document: Any) -> Iterator[str]:
    """Yields a line for each construct that client generators misread."""
    # The first is two different objects with the same title in an answer, since generators keep only one of them. The
    # second is a schema that allows only null, since most languages have no type for it.
    for path, operation in operations_of(document):
        for status, answer in operation["responses"].items():
            for media in answer.get("content", {}).values():
                titles: dict[str, Any] = {}
                for where, schema in walk(whole_of(document, media["schema"])):
                    title = schema.get("title")
                    if isinstance(title, str) and titles.setdefault(title, schema) != schema:
                        yield f"{path} {status}: two objects are called {title}"
                    if schema.get("type") == "null" and not where.rpartition("/")[0].endswith("/anyOf"):
                        yield f"{path} {status}: {where} is null and nothing else"

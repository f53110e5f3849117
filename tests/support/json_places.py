"""Places in a JSON document, for tests that change a document at each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def json_places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path of keys and indexes to each value inside a JSON document. `path` is the path to the document
    itself."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from json_places(child, (*path, key))

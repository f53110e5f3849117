"""Search for objects in the data of an answer, by dotted paths such as `foyer.enfants`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def objects_at(value: Any, path: str) -> list[Mapping[str, Any]]:
    """Returns the objects at a dotted path such as `foyer.enfants`, or an empty list. The path is followed into each
    item of a list."""
    if isinstance(value, list):
        return [node for item in value for node in objects_at(item, path)]
    if not isinstance(value, dict):
        return []
    step, _, rest = path.partition(".")
    return objects_at(value.get(step), rest) if step else [value]

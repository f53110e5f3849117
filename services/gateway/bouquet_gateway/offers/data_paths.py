"""Search for objects in the data of an answer, by the dotted paths that an offer (a worker's description of its
operations) gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def objects_at(value: Any, path: str) -> list[Mapping[str, Any]]:
    """Returns the objects at a dotted path such as `foyer.enfants`; empty if there are none. If a step of the path
    leads to a list, the rest of the path is followed from each item."""
    if isinstance(value, list):
        return [node for item in value for node in objects_at(item, path)]
    if not isinstance(value, dict):
        return []
    step, _, rest = path.partition(".")
    return objects_at(value.get(step), rest) if step else [value]

"""What `GET /api/errors` tells, as who checks answers by it reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Known(NamedTuple):
    """An error that may be answered."""

    status: int
    code: str


def items_of(errors: Mapping[str, list[Any]]) -> Iterator[tuple[int, Any]]:
    """Of `platform_codes`, or of the `errors` of an endpoint."""
    for status, items in errors.items():
        for item in items:
            yield int(status), item


def known_in(errors: Mapping[str, list[Any]]) -> set[Known]:
    return {Known(status, item["code"]) for status, item in items_of(errors)}


def all_known(nomenclature: Any) -> set[Known]:
    """Whoever may answer it."""
    endpoints = (known_in(endpoint["errors"]) for endpoint in nomenclature["endpoints"].values())
    return known_in(nomenclature["platform_codes"]).union(*endpoints)

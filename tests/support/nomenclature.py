"""The errors that `GET /api/errors` documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class ErrorCode(NamedTuple):
    """Status and code of a documented error."""

    status: int
    code: str


def error_items(errors: Mapping[str, list[Any]]) -> Iterator[tuple[int, Any]]:
    """Yields status and item of each error of `platform_codes`, or of the `errors` of an endpoint."""
    for status, items in errors.items():
        for item in items:
            yield int(status), item


def codes_in(errors: Mapping[str, list[Any]]) -> set[ErrorCode]:
    """Returns the errors of `platform_codes`, or of the `errors` of an endpoint."""
    return {ErrorCode(status, item["code"]) for status, item in error_items(errors)}


def all_codes(nomenclature: Any) -> set[ErrorCode]:
    """Returns the errors of the platform and of all endpoints."""
    endpoints = (codes_in(endpoint["errors"]) for endpoint in nomenclature["endpoints"].values())
    return codes_in(nomenclature["platform_codes"]).union(*endpoints)

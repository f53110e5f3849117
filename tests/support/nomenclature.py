"""Documented errors, read from the answer to `GET /api/errors`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class ErrorCode(NamedTuple):
    status: int
    code: str


def error_items(errors: Mapping[str, list[Any]]) -> Iterator[tuple[int, Any]]:
    """Yields the status and the description of each error in `errors`, which is a part of the answer to `GET
    /api/errors`."""
    for status, items in errors.items():
        for item in items:
            yield int(status), item


def codes_in(errors: Mapping[str, list[Any]]) -> set[ErrorCode]:
    """Returns status and code of each error in a part of the answer to `GET /api/errors`."""
    return {ErrorCode(status, item["code"]) for status, item in error_items(errors)}


def all_codes(nomenclature: Any) -> set[ErrorCode]:
    """Returns status and code of every error in the answer to `GET /api/errors`."""
    endpoints = (codes_in(endpoint["errors"]) for endpoint in nomenclature["endpoints"].values())
    return codes_in(nomenclature["platform_codes"]).union(*endpoints)

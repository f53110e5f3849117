"""Errors that the API answers: their common format, and the HTTP status for each error code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bouquet_registry.acts import Act
from bouquet_registry.administration import StaleVersion
from bouquet_registry.refusals import Conflict, InvalidFields, RefusalError, UnknownRecord

Code: TypeAlias = Literal[
    "malformed",
    "unauthenticated",
    "unknown_route",
    "unknown_record",
    "stale_version",
    "conflict",
    "refused",
    "too_large",
    "invalid",
    "internal",
    "unavailable",
]

STATUSES: dict[Code, int] = {
    "malformed": 400,
    "unauthenticated": 401,
    "unknown_route": 404,
    "unknown_record": 404,
    "stale_version": 409,
    "conflict": 409,
    "refused": 409,
    "too_large": 413,
    "invalid": 422,
    "internal": 500,
    "unavailable": 503,
}
"""HTTP status of the answer for each error code."""


class Error(Struct, frozen=True, omit_defaults=True):
    """Error in an answer of the API: what is wrong with one field of a request, or with the request as a whole."""

    code: Code
    detail: str
    """Explanation for people, without any secret or personal data."""
    field: str = ""
    """Name of the wrong field, parameter or header, such as `contacts[0].email`. Absent if the error is about the
    request as a whole."""


class Errors(Struct, frozen=True, omit_defaults=True):
    """Answer to a request that was refused or failed. Nothing was changed, except perhaps if the HTTP status is 500 or
    503."""

    errors: tuple[Error, ...]
    """All errors found in the request, one for each wrong field. All have the same HTTP status."""
    current: dict[str, Any] | UnsetType = UNSET
    """Current content of the record, such as a habilitation. Present only if the request was based on an older version
    of the record."""
    since: tuple[Act, ...] | UnsetType = UNSET
    """Administrative acts (who did what) that changed the record after the version in the request, oldest first.
    Present only with `current`."""


class ServerError(Struct, frozen=True):
    """Error of a request that the HTTP server itself refuses, for instance because its body is too large."""

    code: str
    title: str
    detail: str
    meta: dict[str, Any]


class ServerErrors(Struct, frozen=True):
    """Answer to a request that the HTTP server refuses before it reaches a route."""

    errors: tuple[ServerError, ...]


class ApiError(Exception):
    """Exception that ends a request. It holds the HTTP status and the content of the answer that the client gets."""

    def __init__(
        self, *errors: Error, current: dict[str, Any] | UnsetType = UNSET, since: Iterable[Act] | UnsetType = UNSET
    ) -> None:
        super().__init__(errors[0].code)
        self.status = STATUSES[errors[0].code]
        self.answer = Errors(errors, current, since if isinstance(since, UnsetType) else tuple(since))


MALFORMED_ID = Error("unknown_record", "no record has this id")
"""Error for a path with a malformed id, such as an id with a space."""
# For a well-formed id that no record has, handlers raise `UnknownRecord`.


def api_error_of(refusal: RefusalError) -> ApiError:
    """Converts a refusal of the registry, such as `UnknownRecord`, to the error with which the API answers."""
    match refusal:
        case StaleVersion():
            error = Error("stale_version", str(refusal), "version")
            return ApiError(error, current=msgspec.to_builtins(refusal.current), since=refusal.since)
        case InvalidFields():
            return ApiError(*map(invalid_field, refusal.problems))
        case UnknownRecord():
            return ApiError(Error("unknown_record", str(refusal)))
        case Conflict():
            return ApiError(Error("conflict", str(refusal)))
        case _:
            return ApiError(Error("refused", str(refusal)))


def invalid_field(problem: str) -> Error:
    """Converts a text `field: problem` to an error with the code `invalid`, this field and this problem."""
    field, _, detail = problem.partition(": ")
    return Error("invalid", detail, field)

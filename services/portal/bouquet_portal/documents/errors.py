"""Error codes from a gateway's `/api/errors`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bouquet_portal.documents.model import ErrorCause, ErrorCode

PLATFORM_PREFIX = "00"
"""First two digits of the platform's own error codes; other codes begin with the digits of a provider."""


class _ListedError(NamedTuple):
    status: int
    operation_id: str
    """Id of the operation that may return the error; empty for an error of the platform."""
    error: Mapping[str, Any]


def error_codes(document: Mapping[str, Any]) -> tuple[ErrorCode, ...]:
    """Returns the errors in `document`, the decoded answer of a gateway's `/api/errors`. Each combination of code and
    HTTP status occurs once. Raises `KeyError`, `TypeError` or `ValueError` if the document does not have the expected
    form."""
    groups: dict[tuple[str, int], list[_ListedError]] = {}
    for listed in _all(document):
        groups.setdefault((listed.error["code"], listed.status), []).append(listed)
    return tuple(_code(group, document["providers"]) for _, group in sorted(groups.items()))


def _all(document: Mapping[str, Any]) -> Iterator[_ListedError]:
    for status, errors in document["platform_codes"].items():
        yield from (_ListedError(int(status), "", error) for error in errors)
    for id, operation in document["endpoints"].items():
        for status, errors in operation["errors"].items():
            yield from (_ListedError(int(status), id, error) for error in errors)


def _code(group: list[_ListedError], providers: Mapping[str, str]) -> ErrorCode:
    status, _, first = group[0]
    causes = dict.fromkeys(
        ErrorCause(cause["detail"], cause["fault"], cause["retry"])
        for listed in group
        for cause in (listed.error, *listed.error.get("other_causes", ()))
    )
    everywhere = any(not listed.operation_id for listed in group)
    return ErrorCode(
        code=first["code"],
        status=status,
        title=first["title"],
        provider=_provider(first, providers),
        causes=tuple(causes),
        operation_ids=() if everywhere else tuple(dict.fromkeys(listed.operation_id for listed in group)),
    )


def _provider(error: Mapping[str, Any], providers: Mapping[str, str]) -> str:
    """Returns the name of the provider that an error belongs to, or "" for an error of the platform."""
    # The error's `meta` names the provider or, without one, the first two digits of the code stand for it.
    prefix = error["code"][:2]
    if prefix == PLATFORM_PREFIX:
        return ""
    named: str = error.get("meta", {}).get("provider", "")
    return named or providers.get(prefix, "")

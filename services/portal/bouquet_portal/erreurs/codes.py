"""Error codes as pages show them. Each code occurs once, even if versions of the API return it with different HTTP
statuses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import Struct

from bouquet_portal import search
from bouquet_portal.documents.errors import PLATFORM_PREFIX
from bouquet_portal.documents.model import ErrorCause, ErrorCode, Fault, Operation

DIGITS = ("ZERO", "UN", "DEUX", "TROIS", "QUATRE", "CINQ", "SIX", "SEPT", "HUIT", "NEUF")
CODES_WITHOUT_IDENTITY = {"51504"}
"""Error codes for which no invented person of the sandbox exists."""
# 51504 is the error of a call without FranceConnect token, so that no person can cause it.
STATUSES_WITH_IDENTITY = (401, 403, 409, 429, 500, 502, 503)
"""HTTP statuses of the platform's errors for which pages name an invented person to try in the sandbox."""
# Errors with other statuses depend on the call's path or parameters.


class Code(Struct, frozen=True):
    """Error code, with all causes of its error and all operations that may return it."""

    code: str
    title: str
    provider: str
    """Name of the provider for which the code's first two digits stand; empty for an error of the platform."""
    status: int
    """HTTP status of the error from version 3 on. If only version 2 has the error, the status in version 2."""
    former_status: int | None
    """HTTP status of the error in version 2, if it differs from `status`; otherwise None."""
    causes: tuple[ErrorCause, ...]
    operation_ids: tuple[str, ...]

    @property
    def fault(self) -> Fault:
        return self.causes[0].fault

    @property
    def may_be_retried(self) -> bool:
        return any(cause.retry for cause in self.causes)


class Identity(Struct, frozen=True):
    """Invented person for whom the sandbox answers with an error code. A call names the person by the query parameter
    or header `parameter`, with the value `value`."""

    modality: str
    parameter: str
    value: str


class Filters(Struct, frozen=True):
    """Filters that a visitor has set on the list of error codes. An empty text means no filter."""

    query: str = ""
    provider: str = ""
    fault: str = ""

    @property
    def is_empty(self) -> bool:
        return self == Filters()


def codes(errors: Iterable[ErrorCode], operations: Iterable[Operation]) -> list[Code]:
    """Groups errors by code: returns each code once, in numeric order, with all its causes and operations."""
    former = {operation.id for operation in operations if operation.version == "v2"}
    ordered = sorted(errors, key=lambda error: error.code)
    return [_code(list(group), former) for _, group in groupby(ordered, key=lambda error: error.code)]


def _code(errors: list[ErrorCode], former: set[str]) -> Code:
    current = [error for error in errors if not error.operation_ids or set(error.operation_ids) - former]
    [first, *_] = current or errors
    others = [error.status for error in errors if error.status != first.status]
    return Code(
        code=first.code,
        title=first.title,
        provider=first.provider,
        status=first.status,
        former_status=others[0] if others else None,
        causes=tuple(dict.fromkeys(cause for error in (first, *errors) for cause in error.causes)),
        operation_ids=tuple(dict.fromkeys(id for error in errors for id in error.operation_ids)),
    )


def filtered(all_codes: Iterable[Code], filters: Filters) -> list[Code]:
    words = search.words(filters.query)
    return [
        code
        for code in all_codes
        if filters.provider in ("", code.code[:2])
        and filters.fault in ("", code.fault)
        and search.rank(words, search.simplified(" ".join(_texts(code)))) is not None
    ]


def _texts(code: Code) -> Iterator[str]:
    yield from (code.code, code.title, code.provider, str(code.status))
    yield from (cause.detail for cause in code.causes)


def identities(code: Code, modalities: Iterable[str]) -> list[Identity]:
    """Returns the invented persons for whom the sandbox answers with this error, one for each of `modalities`. Empty
    `modalities` stand for all ways to identify a person. Returns an empty list if the sandbox does not simulate the
    error."""
    if code.code in CODES_WITHOUT_IDENTITY or (
        code.code[:2] == PLATFORM_PREFIX and code.status not in STATUSES_WITH_IDENTITY
    ):
        return []
    in_letters = "-".join(DIGITS[int(digit)] for digit in code.code)
    all_of_them = (
        Identity("identite", "nomNaissance", f"ERREUR {in_letters}"),
        Identity("ine", "ine", f"ERREUR{code.code}"),
        Identity("identifiant", "identifiant", f"erreur-{code.code}"),
        Identity("france_connect", "Authorization: Bearer", f"jeton-erreur-{code.code}"),
    )
    known = set(modalities)
    return [identity for identity in all_of_them if not known or identity.modality in known]

"""List of every error that the gateway can answer, by operation. The OpenAPI document and the answer of `/api/errors`
are made from this list."""
# It is computed from the rules and reasons that each operation declares, and from the failure table
# (bouquet_proto/failures.py).

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from msgspec import Struct, structs

from bouquet_gateway.errors.problems import PLATFORM_ITSELF, failure_of
from bouquet_gateway.offers.catalogue import Catalogue, ServedOperation
from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_proto import france_connect_session, quotient_familial
from bouquet_proto.failures import PARAMETERS, PLATFORM, PROVIDER, REFUSALS, RENDERINGS, SESSION, Failure
from bouquet_proto.offer import Authority
from bouquet_proto.rules import RULES

RECIPIENT = "00210"
"""Reason of the error for a missing or wrong parameter `recipient`; also the error's public code."""

DELEGATION_REASONS = ("delegation_ambiguous", "recipient_not_delegated")
"""Reasons of two errors that only software editors get: several delegated habilitations match the call, or none
does."""
# Only operations of version 3 and later that need no FranceConnect session answer with these errors.

DOSSIER_REASONS = ("dossier_field", "dossier_count", "dossier_operation", "dossier_for_each")
"""Reasons of the errors in the body of a dossier (several lookups in one request)."""

PROOF_REASONS = ("proof_unknown", "proof_expired", "proof_revoked", "proof_status_unknown")
"""Reasons of the errors in the verification of a proof (text that shows later what an answer said)."""

DOCUMENT_REASONS = ("proof_unknown", "proof_document_expired")
"""Reasons for which the PDF file of a proof cannot be downloaded."""

MCP_REASONS = ("mcp_not_allowed", "mcp_purpose")
"""Reasons of the errors that only calls by the Model Context Protocol get."""

NOT_COMMON_REASONS = frozenset(
    {
        "unknown_operation",
        "unknown_route",
        "unknown_version",
        "several_matches",
        "gone_tax_notice",
        "gone_first_quotient",
        *DELEGATION_REASONS,
        *DOSSIER_REASONS,
        *PROOF_REASONS,
        *DOCUMENT_REASONS,
        *MCP_REASONS,
    }
)
"""Reasons of errors that occur only in some operations, or only on paths that belong to no operation."""

PROVIDER_REASONS = tuple(reason for reason in PROVIDER if reason not in NOT_COMMON_REASONS)
COMMON_REASONS = (RECIPIENT, *(reason for reason in PLATFORM if reason not in NOT_COMMON_REASONS), *PROVIDER_REASONS)
"""Reasons of errors that can occur in any operation."""

TRANSPORT_REASONS = ("bad_request", "request_too_large", "encoded_body", "internal", "overloaded")
"""Reasons of errors that can occur on any path, even without a token."""

TOKEN_REASONS = (
    "token_missing",
    "token_invalid",
    "token_of_production",
    "token_of_staging",
    "token_expired",
    "token_blacklisted",
    "ip_forbidden",
    "too_many_requests",
    "registry_unavailable",
    "journal_full",
)
"""Reasons of errors that can occur on every path that requires a token."""

SESSION_REASONS = (*SESSION, *PROVIDER_REASONS)
"""Reasons of errors about a citizen's FranceConnect session, and of failures of FranceConnect's worker."""


API_NAME = "particulier"
ABSENCE_SUBCODE = "003"
STATUSES_FIRST = (422, 404, 502)
"""HTTP statuses with which the list of errors begins, in the contract's order. All other statuses follow in numeric
order."""


class Cause(Struct, frozen=True, kw_only=True):
    """One of several causes of the same error code. `fault` is the party at fault: `caller`, `platform` (Bouquet
    itself) or `provider`."""

    detail: str
    fault: str
    retry: bool
    """Whether the same call may succeed if it is made again later."""


class ErrorEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Error code with its causes. `detail`, `fault` and `retry` describe the first cause; `other_causes` holds all
    others."""

    code: str
    title: str
    detail: str
    fault: str
    retry: bool
    meta: dict[str, str] = {}
    other_causes: tuple[Cause, ...] = ()


Errors: TypeAlias = dict[str, list[ErrorEntry]]


class Endpoint(Struct, frozen=True):
    """Operation in the published list of errors: its possible errors, and its provider's label, such as `CNAF`."""

    provider: str
    errors: Errors


class Subcode(Struct, frozen=True, omit_defaults=True):
    """Meaning of the last three digits of an error code (the subcode), which is the same for all providers."""

    title: str
    detail: str = ""
    """Explanation of the error. Empty if it is not the same for all errors with this subcode."""


class Nomenclature(Struct, frozen=True, kw_only=True):
    """Answer of `/api/errors`: the list of all errors, in the format of API Particulier's contract of October 2026."""

    api: str
    providers: dict[str, str]
    """Labels of the providers, such as `CNAF`, by the first two digits of their error codes."""
    generic_subcodes: dict[str, Subcode]
    platform_codes: Errors
    """Errors of Bouquet itself, by HTTP status. Calls of any operation may get them."""
    endpoints: dict[str, Endpoint]
    """Operations, by their ids, each with its possible errors. The errors in `platform_codes` are not repeated."""


def reasons_of(served: ServedOperation) -> tuple[str, ...]:
    """Returns the reasons of an operation's errors: from its validation rules, from its worker, and common to all
    operations. Errors about sessions and delegations are not included."""
    operation = served.operation
    checks = (*(check for stage in operation.checks for check in stage), *operation.identity_checks)
    codes = [code for check in checks for code in RULES[check.rule].codes]
    return tuple(dict.fromkeys([*codes, *operation.reasons, *COMMON_REASONS]))


def documented_reasons(served: ServedOperation) -> Iterator[tuple[str, Authority]]:
    """Yields the reasons of all errors of an operation, each with the authority, such as CNAF, that the error names.
    Unlike `reasons_of`, includes errors of FranceConnect, of delegations, and of CAF and MSA."""
    operation = served.operation
    listed = [(reason, served.authority) for reason in reasons_of(served)]
    if operation.by_session:
        listed += [(reason, france_connect_session.AUTHORITY) for reason in SESSION_REASONS]
    elif envelope_of(operation.path) == "v3":
        listed += [(reason, PLATFORM_ITSELF) for reason in DELEGATION_REASONS]
    if operation.plan:
        authorities = quotient_familial.REGIMES.authorities.values()
        listed += [
            (reason, authority)
            for authority in authorities
            for reason in (*PROVIDER_REASONS, quotient_familial.QUOTIENT_MISSING)
        ]
    yield from dict.fromkeys(listed)


def nomenclature(catalogue: Catalogue) -> Nomenclature:
    by_operation: dict[str, list[ServedOperation]] = {}
    for served in (served for modalities in catalogue.by_path.values() for served in modalities):
        by_operation.setdefault(served.operation.folder, []).append(served)
    # The platform's own codes, whichever provider was asked.
    network = (row for row in PROVIDER.values() if not row.has_authority_prefix)
    platform = [_listed(row, PLATFORM_ITSELF) for row in (PARAMETERS[RECIPIENT], *PLATFORM.values(), *network)]
    platform_codes = {listed.item.code for listed in platform}
    return Nomenclature(
        api=API_NAME,
        providers=dict(sorted(_labels(by_operation.values()))),
        generic_subcodes=dict(sorted(_subcodes().items())),
        platform_codes=_by_status(platform),
        endpoints={name: _endpoint(served, platform_codes) for name, served in sorted(by_operation.items())},
    )


class _ListedError(Struct, frozen=True):
    status: int
    item: ErrorEntry


def _endpoint(modalities: list[ServedOperation], platform_codes: set[str]) -> Endpoint:
    listed = (
        _listed(failure_of(reason, served.problems), authority, envelope_of(served.operation.path))
        for served in modalities
        for reason, authority in documented_reasons(served)
    )
    return Endpoint(
        modalities[0].authority.label, _by_status(error for error in listed if error.item.code not in platform_codes)
    )


def _listed(row: Failure, authority: Authority, envelope: Envelope = "v3") -> _ListedError:
    rendering = RENDERINGS[row.kind]
    provider = row.provider or (authority.label if row.has_authority_prefix else "")
    item = ErrorEntry(
        code=row.code_of(authority.prefix),
        title=row.title,
        detail=row.detail.replace("{provider}", authority.label),
        fault=row.fault,
        retry=row.retry,
        meta={"provider": provider} if provider else {},
    )
    return _ListedError(rendering.v2_status if envelope == "v2" else rendering.v3_status, item)


def _by_status(listed: Iterable[_ListedError]) -> Errors:
    table: dict[int, dict[str, ErrorEntry]] = {}
    for error in listed:
        items = table.setdefault(error.status, {})
        known = items.get(error.item.code)
        items[error.item.code] = error.item if known is None else _with_cause(known, error.item)
    return {
        str(status): [item for _, item in sorted(table[status].items())]
        for status in sorted(table, key=lambda status: (status not in STATUSES_FIRST, _position(status)))
    }


def _with_cause(item: ErrorEntry, other: ErrorEntry) -> ErrorEntry:
    causes = dict.fromkeys((_cause(item), *item.other_causes, _cause(other)))
    return structs.replace(item, other_causes=tuple(causes)[1:])


def _cause(item: ErrorEntry) -> Cause:
    return Cause(detail=item.detail, fault=item.fault, retry=item.retry)


def _position(status: int) -> int:
    return STATUSES_FIRST.index(status) if status in STATUSES_FIRST else status


def _labels(operations: Iterable[list[ServedOperation]]) -> Iterator[tuple[str, str]]:
    for served in (served for modalities in operations for served in modalities):
        for _, authority in documented_reasons(served):
            yield authority.prefix, authority.label


def _subcodes() -> dict[str, Subcode]:
    """Returns the meaning of each subcode, the last three digits of an error code."""
    table = {ABSENCE_SUBCODE: Subcode("Entité non trouvée")}
    for row in (*PROVIDER.values(), *REFUSALS.values(), SESSION[france_connect_session.IDENTITY_UNUSABLE]):
        if row.has_authority_prefix:
            known = table.setdefault(row.code, Subcode(row.title, row.detail))
            if known.detail != row.detail or "{" in row.detail:
                table[row.code] = Subcode(known.title)
    return table

"""Every error that can be answered, by operation: what the catalogue's rules, reasons and the failure table allow.

The OpenAPI document and `/api/errors` are made of it, so that nothing is documented in one place alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from msgspec import Struct, structs

from bouquet_gateway.errors.problems import PLATFORM_ITSELF, failure_of
from bouquet_gateway.offers.catalogue import Catalogue, Served
from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_proto import france_connect_session, quotient_familial
from bouquet_proto.failures import PARAMETERS, PLATFORM, PROVIDER, REFUSALS, RENDERINGS, SESSION, Failure
from bouquet_proto.offer import Authority
from bouquet_proto.rules import RULES

RECIPIENT = "00210"

NOT_COMMON = frozenset(
    {
        "unknown_operation",
        "unknown_route",
        "unknown_version",
        "several_matches",
        "gone_tax_notice",
        "gone_first_quotient",
    }
)
"""Of paths that no operation has, or of operations that say so themselves."""

OF_PROVIDERS = tuple(reason for reason in PROVIDER if reason not in NOT_COMMON)
COMMON = (RECIPIENT, *(reason for reason in PLATFORM if reason not in NOT_COMMON), *OF_PROVIDERS)
"""What any operation may answer."""

OF_TRANSPORT = ("bad_request", "request_too_large", "encoded_body", "internal", "overloaded")
"""What any path may answer, even one that needs no token."""

OF_TOKENS = (
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
"""What may be answered about the caller's token, besides."""

OF_SESSIONS = (*SESSION, *OF_PROVIDERS)
"""What may be answered about a citizen's session; its provider's trouble in its own name."""


API = "particulier"
ABSENT = "003"
STATUSES_FIRST = (422, 404, 502)
"""In the order of the contract; the others follow by number."""


class Cause(Struct, frozen=True, kw_only=True):
    """Why a code is answered. `fault`: of the caller, of the platform, or of the provider."""

    detail: str
    fault: str
    retry: bool
    """Whether asking again may help."""


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A code, with its usual cause; `other_causes` where it has several."""

    code: str
    title: str
    detail: str
    fault: str
    retry: bool
    meta: dict[str, str] = {}
    other_causes: tuple[Cause, ...] = ()


Errors: TypeAlias = dict[str, list[Item]]
"""By HTTP status, each by code."""


class Endpoint(Struct, frozen=True):
    provider: str
    errors: Errors


class Subcode(Struct, frozen=True, omit_defaults=True):
    """What the last three digits of a provider's code mean, whoever it is."""

    title: str
    detail: str = ""
    """Empty where there are several, or where it depends on the call."""


class Nomenclature(Struct, frozen=True, kw_only=True):
    """What `/api/errors` tells, in the shape of the contract of October 2026."""

    api: str
    providers: dict[str, str]
    """Labels, by the prefix of their codes."""
    generic_subcodes: dict[str, Subcode]
    platform_codes: Errors
    """What any operation may answer before a provider is asked."""
    endpoints: dict[str, Endpoint]
    """By operation id; `platform_codes` are not repeated."""


def reasons_of(served: Served) -> tuple[str, ...]:
    operation = served.operation
    codes = [code for stage in operation.checks for check in stage for code in RULES[check.rule].codes]
    return tuple(dict.fromkeys([*codes, *operation.reasons, *COMMON]))


def told_of(served: Served) -> Iterator[tuple[str, Authority]]:
    """Every reason, and in whose name: the operation's, that of the session before it, and under a plan each fund's."""
    operation = served.operation
    told = [(reason, served.authority) for reason in reasons_of(served)]
    if operation.modality == "france_connect":
        told += [(reason, france_connect_session.AUTHORITY) for reason in OF_SESSIONS]
    if operation.plan:
        funds = quotient_familial.REGIMES.authorities.values()
        told += [(reason, fund) for fund in funds for reason in (*OF_PROVIDERS, quotient_familial.QUOTIENT_MISSING)]
    yield from dict.fromkeys(told)


def nomenclature(catalogue: Catalogue) -> Nomenclature:
    by_id: dict[str, list[Served]] = {}
    for served in (served for modalities in catalogue.by_path.values() for served in modalities):
        by_id.setdefault(served.operation.folder, []).append(served)
    network = (
        row for row in PROVIDER.values() if not row.has_authority_prefix
    )  # the platform's codes, whoever was asked
    platform = [_told(row, PLATFORM_ITSELF) for row in (PARAMETERS[RECIPIENT], *PLATFORM.values(), *network)]
    taken = {told.item.code for told in platform}
    return Nomenclature(
        api=API,
        providers=dict(sorted(_labels(by_id.values()))),
        generic_subcodes=dict(sorted(_subcodes().items())),
        platform_codes=_by_status(platform),
        endpoints={name: _endpoint(served, taken) for name, served in sorted(by_id.items())},
    )


class _Told(Struct, frozen=True):
    status: int
    item: Item


def _endpoint(modalities: list[Served], taken: set[str]) -> Endpoint:
    told = (
        _told(failure_of(reason, served.problems), authority, envelope_of(served.operation.path))
        for served in modalities
        for reason, authority in told_of(served)
    )
    return Endpoint(modalities[0].authority.label, _by_status(one for one in told if one.item.code not in taken))


def _told(row: Failure, authority: Authority, envelope: Envelope = "v3") -> _Told:
    rendering = RENDERINGS[row.kind]
    provider = row.provider or (authority.label if row.has_authority_prefix else "")
    item = Item(
        code=row.code_of(authority.prefix),
        title=row.title,
        detail=row.detail.replace("{provider}", authority.label),
        fault=row.fault,
        retry=row.retry,
        meta={"provider": provider} if provider else {},
    )
    return _Told(rendering.v2_status if envelope == "v2" else rendering.v3_status, item)


def _by_status(told: Iterable[_Told]) -> Errors:
    table: dict[int, dict[str, Item]] = {}
    for one in told:
        items = table.setdefault(one.status, {})
        known = items.get(one.item.code)
        items[one.item.code] = one.item if known is None else _with_cause(known, one.item)
    return {
        str(status): [item for _, item in sorted(table[status].items())]
        for status in sorted(table, key=lambda status: (status not in STATUSES_FIRST, _place(status)))
    }


def _with_cause(item: Item, other: Item) -> Item:
    causes = dict.fromkeys((_cause(item), *item.other_causes, _cause(other)))
    return structs.replace(item, other_causes=tuple(causes)[1:])


def _cause(item: Item) -> Cause:
    return Cause(detail=item.detail, fault=item.fault, retry=item.retry)


def _place(status: int) -> int:
    return STATUSES_FIRST.index(status) if status in STATUSES_FIRST else status


def _labels(operations: Iterable[list[Served]]) -> Iterator[tuple[str, str]]:
    for served in (served for modalities in operations for served in modalities):
        for _, authority in told_of(served):
            yield authority.prefix, authority.label


def _subcodes() -> dict[str, Subcode]:
    """The absence has its text in each operation."""
    table = {ABSENT: Subcode("Entité non trouvée")}
    for row in (*PROVIDER.values(), *REFUSALS.values(), SESSION[france_connect_session.UNUSABLE]):
        if row.has_authority_prefix:
            known = table.setdefault(row.code, Subcode(row.title, row.detail))
            if known.detail != row.detail or "{" in row.detail:
                table[row.code] = Subcode(known.title)
    return table

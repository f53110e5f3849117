"""Every error that can be answered, by operation: what the catalogue's rules, reasons and the failure table allow.

The OpenAPI document and `/api/errors` are made of it, so that nothing is documented in one place alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from bouquet_gateway.errors.problems import PLATFORM_ITSELF, code_of, row_of
from bouquet_gateway.offers.catalogue import Catalogue, Served
from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_proto import france_connect_session, quotient_familial
from bouquet_proto.failures import PLATFORM, PROVIDER, RENDERINGS, SESSION, Failure
from bouquet_proto.offer import Authority
from bouquet_proto.rules import RULES

NOT_COMMON = frozenset(
    {"unknown_route", "unknown_version", "several_matches", "gone_tax_notice", "gone_first_quotient"}
)
"""Of paths that no operation has, or of operations that say so themselves."""

OF_PROVIDERS = tuple(reason for reason in PROVIDER if reason not in NOT_COMMON)
COMMON = ("00210", *(reason for reason in PLATFORM if reason not in NOT_COMMON), *OF_PROVIDERS)
"""What any operation may answer."""

OF_SESSIONS = (*SESSION, *OF_PROVIDERS)
"""What may be answered about a citizen's session; its provider's trouble in its own name."""


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the nomenclature. `fault`: of the caller, of the platform, or of the provider."""

    code: str
    status: int
    title: str
    detail: str
    fault: str
    retry: bool
    provider: str = ""
    operation_ids: tuple[str, ...] = ()


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


def nomenclature(catalogue: Catalogue, operation_id: str = "") -> list[Entry]:
    """By code; one entry where several operations share code and text, and without any where none is concerned.
    Of one operation when it is named."""
    found: dict[Entry, list[str]] = (
        {} if operation_id else {_entry(row, PLATFORM_ITSELF): [] for row in PLATFORM.values()}
    )
    for served in (served for modalities in catalogue.by_path.values() for served in modalities):
        if operation_id in ("", served.operation.folder):
            for entry in _entries(served):
                found.setdefault(entry, []).append(served.operation.folder)
    entries = [msgspec.structs.replace(entry, operation_ids=tuple(dict.fromkeys(ids))) for entry, ids in found.items()]
    return sorted(entries, key=lambda entry: (entry.code, entry.provider, entry.detail))


def _entries(served: Served) -> Iterator[Entry]:
    envelope = envelope_of(served.operation.path)
    for reason, authority in told_of(served):
        yield _entry(row_of(reason, served.problems), authority, envelope)


def _entry(row: Failure, authority: Authority, envelope: Envelope = "v3") -> Entry:
    rendering = RENDERINGS[row.kind]
    return Entry(
        code=code_of(row, authority),
        status=rendering.v2_status if envelope == "v2" else rendering.v3_status,
        title=row.title,
        detail=row.detail,
        fault=row.fault,
        retry=row.retry,
        provider=row.provider or (authority.label if len(row.code) == 3 else ""),
    )

"""From a path to the operation that answers it. Built from offers; knows no provider."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cached_property

import msgspec
from msgspec import Struct

from bouquet_gateway.offers.checks import refuse
from bouquet_gateway.offers.reply_schema import ReplySchema
from bouquet_gateway.paths import V2_PREFIX, split
from bouquet_proto import france_connect_session, quotient_familial
from bouquet_proto.failures import Failure
from bouquet_proto.offer import Authority, Modality, Offer, Operation
from bouquet_proto.rules import RULES

STATUS = re.compile(r"[a-z\d_]+", re.ASCII)
PLANS = {"regime": {operation.id: operation for operation in quotient_familial.OPERATIONS}}
"""The operations that each plan may serve, as we know them: an offer cannot make a plan of something else."""


class Served(Struct, frozen=True, dict=True):
    """An operation, and who answers it."""

    operation: Operation
    authority: Authority
    authorities: Mapping[str, Authority]
    """By provider; several under a plan."""
    problems: Mapping[str, Failure]
    reply_schema: ReplySchema
    status: str = ""
    """Under which its health is told; empty: it is not."""

    @property
    def provider(self) -> str:
        return next(iter(self.authorities))

    @cached_property
    def version(self) -> str:
        """`v2`, `v3`."""
        _, number = split(self.operation.path)
        return f"v{number or 2}"


class Watched(Struct, frozen=True):
    """Who speaks in the errors of a resource that has a status, and who answers it."""

    authority: Authority
    providers: frozenset[str]


class Naming(Struct, frozen=True):
    """How a request names the person, for the v2 paths that take several modalities
    (docs/reference/contract.md §1.2)."""

    by_session: bool = False
    by_ine: bool = False


class Family(Struct, frozen=True, dict=True):
    """One resource in all its versions. Each has one modality from v3 on; in v2, up to three."""

    versions: Mapping[int, tuple[Served, ...]]

    def each(self) -> Iterator[Served]:
        for modalities in self.versions.values():
            yield from modalities

    @cached_property
    def scopes(self) -> frozenset[str]:
        return frozenset(scope for served in self.each() for scope in served.operation.scopes)


class Match(Struct, frozen=True):
    family: Family
    version: int
    served: Served | None
    """None when the resource exists, but not in this version."""

    @property
    def by_session(self) -> bool:
        """Whether a citizen's session opens it, and nothing else does."""
        candidates = [self.served] if self.served else list(self.family.each())
        return all(served.operation.modality == "france_connect" for served in candidates)

    @property
    def resource(self) -> str:
        return next(self.family.each()).operation.france_connect_resource


class Catalogue:
    """Immutable: a change of offers makes another."""

    def __init__(self, offers: Iterable[Offer] = ()) -> None:
        self.offers = tuple(offers)
        self.by_path = served_by_path(self.offers)
        self.documents = documents_by_path(self.offers, self.by_path)
        self.watched = watched_by_status(self.offers, self.by_path)
        self._families: dict[str, Family] = {}
        for path, modalities in self.by_path.items():
            family_path, version = split(path)
            known = self._families.get(family_path, Family({}))
            self._families[family_path] = Family({**known.versions, version: modalities})

    def match(self, path: str, naming: Naming) -> Match | None:
        """Of a tidy path."""
        family_path, version = split(path)
        family = self._families.get(family_path)
        if family is None:
            return None
        return Match(family, version, _pick(family.versions.get(version, ()), naming))


def _pick(modalities: tuple[Served, ...], naming: Naming) -> Served | None:
    """The citizen's session first, then the INE, then civil status or whatever else the path takes
    (docs/reference/contract.md §1.2)."""
    if len(modalities) == 1:
        return modalities[0]
    by_modality = {served.operation.modality: served for served in modalities}
    if naming.by_session and "france_connect" in by_modality:
        return by_modality["france_connect"]
    if naming.by_ine and "ine" in by_modality:
        return by_modality["ine"]
    rest = (served for modality, served in by_modality.items() if modality not in ("france_connect", "ine"))
    return next(rest, None)


def served_by_path(offers: Iterable[Offer]) -> dict[str, tuple[Served, ...]]:
    """By path, one a modality. Where two offers claim one, the earlier keeps it: nobody takes another's operation."""
    table: dict[str, dict[Modality, Served]] = {}
    keepers = {france_connect_session.STATUS: france_connect_session.PROVIDER}
    for offer in offers:
        for operation in offer.operations:
            refusal = _add(table.setdefault(operation.path, {}), offer, operation, keepers)
            if refusal:
                refuse(offer.provider, refusal, operation.id)
    return {path: tuple(modalities.values()) for path, modalities in table.items() if modalities}


def _add(modalities: dict[Modality, Served], offer: Offer, operation: Operation, keepers: dict[str, str]) -> str:
    """Serves the operation, or says why not. `keepers`: whose each status is, so that nobody speaks ill of another."""
    if not _is_readable(operation):
        return "rule unknown"
    if operation.plan and not _may_join(operation, offer.provider):
        return "offer refused"
    if any(offer.provider not in served.authorities for served in modalities.values()) and not operation.plan:
        return "path already served"
    problems = _problems(operation) | offer.problems
    if operation.plan:  # one fund does not say what scopes open the other's data
        operation = PLANS[operation.plan][operation.id]
    served = Served(
        operation,
        offer.authority_of(operation),
        {offer.provider: offer.authority},
        problems,
        ReplySchema(operation.schema, gated=operation.gated),
        _status(operation, offer.provider, keepers),
    )
    known = modalities.get(operation.modality)
    if known is None:
        modalities[operation.modality] = served
    elif known.operation.plan and operation.plan:
        authorities = {**known.authorities, **served.authorities}
        modalities[operation.modality] = msgspec.structs.replace(known, authorities=authorities)
    else:
        return "path already served"
    return ""


def watched_by_status(offers: Iterable[Offer], by_path: Mapping[str, tuple[Served, ...]]) -> dict[str, Watched]:
    """The resources that have a status, and the sessions where somebody reads them."""
    table: dict[str, Watched] = {}
    if any(offer.provider == france_connect_session.PROVIDER for offer in offers):
        table[france_connect_session.STATUS] = Watched(
            france_connect_session.AUTHORITY, frozenset({france_connect_session.PROVIDER})
        )
    for served in (served for modalities in by_path.values() for served in modalities):
        if served.status:
            table[served.status] = Watched(served.authority, frozenset(served.authorities))
    return table


def documents_by_path(offers: Iterable[Offer], taken: Container[str]) -> dict[str, bytes]:
    """As JSON. An operation keeps its path, whoever's it is, and then the earlier offer."""
    table: dict[str, bytes] = {}
    for offer in offers:
        for path, document in offer.documents.items():
            if path.startswith(V2_PREFIX) and path not in taken and path not in table:
                table[path] = msgspec.json.encode(document)
            else:
                refuse(offer.provider, "document refused")
    return table


def _status(operation: Operation, provider: str, keepers: dict[str, str]) -> str:
    """Operations of one provider, or of one plan, may share theirs."""
    status, keeper = operation.status_name, operation.plan or provider
    if STATUS.fullmatch(status) and keepers.setdefault(status, keeper) == keeper:
        return status
    return ""


def _is_readable(operation: Operation) -> bool:
    """A worker newer than this gateway may name a rule that it does not have."""
    return all(check.rule in RULES for stage in (*operation.checks, operation.pivot) for check in stage)


def _problems(operation: Operation) -> dict[str, Failure]:
    return dict(quotient_familial.PROBLEMS) if operation.plan else {}


def _may_join(operation: Operation, provider: str) -> bool:
    roles = quotient_familial.REGIMES
    return operation.id in PLANS.get(operation.plan, {}) and provider in (roles.first, roles.second)

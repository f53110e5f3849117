"""From a path to the operation that answers it. Built from offers; knows no provider."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from bouquet_proto import quotient_familial
from bouquet_proto.failures import Failure
from bouquet_proto.offer import Authority, Offer, Operation
from bouquet_proto.query import leading_integer
from bouquet_proto.rules import RULES

log = logging.getLogger(__name__)

Envelope: TypeAlias = Literal["v2", "v3"]

V2_PREFIX = "/api/"
"""Of the v2 resources and of the helpers that have always spoken like them."""
VERSIONED = re.compile(r"/v([^/]*\d[^/]*)(/.+)")
PLANS = {"regime": frozenset(operation.id for operation in quotient_familial.OPERATIONS)}
"""The operations that each plan may serve: an offer cannot make a plan of something else."""


class Served(Struct, frozen=True):
    """An operation, and who answers it."""

    operation: Operation
    authority: Authority
    authorities: Mapping[str, Authority]
    """By provider; several under a plan."""
    problems: Mapping[str, Failure]

    @property
    def provider(self) -> str:
        return next(iter(self.authorities))


class Family(Struct, frozen=True):
    """One resource and modality in all its versions. v2 has a single one, 0."""

    envelope: Envelope
    versions: Mapping[int, Served]

    @property
    def resource(self) -> str:
        """The path segment before the modality: `quotient_familial`."""
        return next(iter(self.versions.values())).operation.path.split("/")[-2]

    def by_france_connect(self) -> bool:
        return any(served.operation.modality == "france_connect" for served in self.versions.values())

    def scopes(self) -> frozenset[str]:
        return frozenset(scope for served in self.versions.values() for scope in served.operation.scopes)


class Match(Struct, frozen=True):
    family: Family
    version: int

    @property
    def served(self) -> Served | None:
        """None when the resource exists, but not in this version."""
        return self.family.versions.get(self.version)


def envelope_of(path: str) -> Envelope:
    return "v2" if path.startswith(V2_PREFIX) else "v3"


class Catalogue:
    """Immutable: a change of offers makes another."""

    def __init__(self, offers: Iterable[Offer] = ()) -> None:
        self.offers = tuple(offers)
        self._families: dict[str, Family] = {}
        self.by_path: Mapping[str, Served] = served_by_path(self.offers)
        for path, served in self.by_path.items():
            family_path, version = split(path)
            known = self._families.get(family_path, Family(envelope_of(path), {}))
            self._families[family_path] = Family(known.envelope, {**known.versions, version: served})

    def match(self, path: str) -> Match | None:
        family_path, version = split(path)
        family = self._families.get(family_path)
        return None if family is None else Match(family, version)


def split(path: str) -> tuple[str, int]:
    """`/v3/men/scolarites/identite` is version 3 of `/men/scolarites/identite`; a path without version is its own."""
    versioned = VERSIONED.fullmatch(path)
    return (versioned[2], leading_integer(versioned[1])) if versioned else (path, 0)


def served_by_path(offers: Iterable[Offer]) -> dict[str, Served]:
    """By path. Where two offers claim one, the earlier keeps it: a provider cannot take another's operation."""
    table: dict[str, Served] = {}
    for offer in offers:
        for operation in offer.operations:
            served = Served(
                operation,
                offer.authority_of(operation),
                {offer.provider: offer.authority},
                _problems(operation) | offer.problems,
            )
            known = table.get(operation.path)
            if not _is_readable(operation):
                log.error("rule unknown", extra={"provider": offer.provider, "operation": operation.id})
            elif operation.plan and not _may_join(operation, offer.provider):
                log.error("offer refused", extra={"provider": offer.provider, "operation": operation.id})
            elif known is None:
                table[operation.path] = served
            elif known.operation.plan and operation.plan:
                table[operation.path] = Served(
                    known.operation, known.authority, {**known.authorities, **served.authorities}, known.problems
                )
            else:
                log.error("path already served", extra={"provider": offer.provider, "operation": operation.id})
    return table


def _is_readable(operation: Operation) -> bool:
    """A worker newer than this gateway may name a rule that it does not have."""
    return all(check.rule in RULES for stage in operation.checks for check in stage)


def _problems(operation: Operation) -> dict[str, Failure]:
    return dict(quotient_familial.PROBLEMS) if operation.plan else {}


def _may_join(operation: Operation, provider: str) -> bool:
    roles = quotient_familial.REGIMES
    return operation.id in PLANS.get(operation.plan, ()) and provider in (roles.first, roles.second)

"""Catalogue of the operations that the gateway serves, by path. The catalogue is made from the offers (descriptions of
operations) that all workers send."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TypeAlias

import msgspec
from msgspec import Struct

from bouquet_gateway.offers.checks import OfferRefusal
from bouquet_gateway.offers.reply_schema import ReplySchema
from bouquet_gateway.paths import V2_PREFIX, split
from bouquet_proto import france_connect_session, quotient_familial
from bouquet_proto.failures import Failure
from bouquet_proto.offer import Authority, Modality, Offer, Operation
from bouquet_proto.rules import RULES

OfferRefusals: TypeAlias = defaultdict[str, tuple[OfferRefusal, ...]]
"""Refused parts of offers (descriptions of operations), by the provider's name."""

PING_NAME_PATTERN = re.compile(r"[a-z\d_]+", re.ASCII)
PLANS = {"regime": {operation.id: operation for operation in quotient_familial.OPERATIONS}}
"""Operations whose provider a rule chooses at each call, by the rule's name (`Operation.plan`) and the operation's id.
The definitions in the providers' offers are not used."""
# The offer of one provider must not decide which scopes open the data of another.


class ServedOperation(Struct, frozen=True, dict=True):
    """Operation that the gateway serves, with its providers, and the authority (administration) that its errors
    name."""

    operation: Operation
    authority: Authority
    authorities: Mapping[str, Authority]
    """Administrations that answer for the operation, by provider: CNAF for the provider `cnaf`."""
    problems: Mapping[str, Failure]
    """Errors, by reason, that are special to the operation's provider."""
    reply_schema: ReplySchema
    ping_name: str = ""
    """Name that replaces `{status}` in `/api/{status}/ping`, which shows the health of the operation's resource. Empty
    if the gateway does not show the health."""

    @property
    def provider(self) -> str:
        return next(iter(self.authorities))

    @cached_property
    def parameter_names(self) -> Mapping[str, str]:
        """Names of the operation's query parameters, such as `nomNaissance`, by canonical field, such as
        `nom_naissance` (the name inside Bouquet)."""
        return self.operation.parameter_names

    @cached_property
    def version(self) -> str:
        _, number = split(self.operation.path)
        return f"v{number or 2}"


class MonitoredResource(Struct, frozen=True):
    """Resource (group of operations) whose health the gateway shows at `/api/{status}/ping`. `authority` is the
    administration that errors name. `providers` holds the names of the resource's providers."""

    authority: Authority
    providers: frozenset[str]


class IdentificationMethod(Struct, frozen=True):
    """Way in which a request identifies the person: by FranceConnect session, by INE (national student number), or
    otherwise. In v2, the way decides between operations with the same path (docs/reference/contract.md §1.2)."""

    by_session: bool = False
    by_ine: bool = False


class OperationFamily(Struct, frozen=True, dict=True):
    """Operations whose paths differ only in the version, such as all versions of `men/scolarites/identite`."""

    # From version 3 on, there is one operation for each version. Version 2 has up to three, which identify the person
    # in different ways (modalities).

    versions: Mapping[int, tuple[ServedOperation, ...]]

    def each(self) -> Iterator[ServedOperation]:
        for modalities in self.versions.values():
            yield from modalities

    @cached_property
    def scopes(self) -> frozenset[str]:
        return frozenset(scope for served in self.each() for scope in served.operation.scopes)


class Match(Struct, frozen=True):
    """Operation found for a request's path (`served`), all its versions (`family`), and the version in the path."""

    family: OperationFamily
    version: int
    served: ServedOperation | None
    """Operation that answers; `None` if the operation does not exist in this version."""

    @property
    def by_session(self) -> bool:
        """Whether the operation requires a FranceConnect session. For a missing version: whether all other versions
        require a session."""
        candidates = [self.served] if self.served else list(self.family.each())
        return all(served.operation.by_session for served in candidates)

    @property
    def resource(self) -> str:
        """Name, such as `statut_etudiant`, by which FranceConnect's worker knows the operation's resource."""
        return next(self.family.each()).operation.france_connect_resource


class Catalogue:
    """Everything that the gateway serves, made from the workers' offers: operations, documents, and resources (groups
    of operations) whose health it shows. The gateway makes a new catalogue when an offer changes."""

    def __init__(self, offers: Iterable[Offer] = ()) -> None:
        self.offers = tuple(offers)
        self.refusals: OfferRefusals = defaultdict(tuple)
        """Refusals of operations and documents in valid offers, by the provider's name. For example, another provider's
        offer already has the path."""
        self.by_path = served_by_path(self.offers, self.refusals)
        self.documents = documents_by_path(self.offers, self.by_path, self.refusals)
        self.monitored = monitored_by_ping_name(self.offers, self.by_path)
        self._families: dict[str, OperationFamily] = {}
        for path, modalities in self.by_path.items():
            family_path, version = split(path)
            known = self._families.get(family_path, OperationFamily({}))
            self._families[family_path] = OperationFamily({**known.versions, version: modalities})

    @cached_property
    def scopes(self) -> tuple[str, ...]:
        """All scopes that give access to an operation or to one of its fields, sorted."""
        operations = [served.operation for family in self._families.values() for served in family.each()]
        fields = (names for operation in operations for names in operation.fields.values())
        of_fields = (scope for names in fields for name in names for scope in name.split("&"))
        return tuple(sorted({*(scope for operation in operations for scope in operation.scopes), *of_fields}))

    @cached_property
    def resources(self) -> Mapping[str, Mapping[str, OperationFamily]]:
        """Versions of each operation, by resource and modality (way to identify the person):
        `/v3/dss/quotient_familial/identite` and its other versions are at `["dss/quotient_familial"]["identite"]`."""
        found: dict[str, dict[str, OperationFamily]] = {}
        for path, family in self._families.items():
            resource, _, modality = path.rpartition("/")
            found.setdefault(resource, {})[modality] = family
        return found

    def match(self, path: str, identified_by: IdentificationMethod) -> Match | None:
        """Returns the operation that answers a request for `path`, with its other versions. If several operations share
        the path, `identified_by` decides.

        Returns `None` if no version is offered. If only other versions are offered, `Match.served` is `None`.
        """
        family_path, version = split(path)
        family = self._families.get(family_path)
        if family is None:
            return None
        return Match(family, version, _pick(family.versions.get(version, ()), identified_by))


def _pick(modalities: tuple[ServedOperation, ...], identified_by: IdentificationMethod) -> ServedOperation | None:
    """Returns the operation in `modalities` that fits how the request identifies the person (docs/reference/contract.md
    §1.2). Returns `None` if no operation fits."""
    if len(modalities) == 1:
        return modalities[0]
    by_modality = {served.operation.modality: served for served in modalities}
    if identified_by.by_session and "france_connect" in by_modality:
        return by_modality["france_connect"]
    if identified_by.by_ine and "ine" in by_modality:
        return by_modality["ine"]
    rest = (served for modality, served in by_modality.items() if modality not in ("france_connect", "ine"))
    return next(rest, None)


def served_by_path(offers: Iterable[Offer], refusals: OfferRefusals) -> dict[str, tuple[ServedOperation, ...]]:
    """Returns the operations that the gateway serves, by path, and adds refused operations to `refusals`. If two
    providers offer the same path, the first in `offers` gets all calls."""
    # This is otherwise for an operation with a plan: a rule, such as the one for CAF and MSA, that chooses the provider
    # at each call.
    table: dict[str, dict[Modality, ServedOperation]] = {}
    ping_name_owners = {france_connect_session.PING_NAME: france_connect_session.PROVIDER}
    for offer in offers:
        for operation in offer.operations:
            if reason := _add(table.setdefault(operation.path, {}), offer, operation, ping_name_owners):
                refusals[offer.provider] += (OfferRefusal(reason, operation.id),)
    return {path: tuple(modalities.values()) for path, modalities in table.items() if modalities}


def _add(
    modalities: dict[Modality, ServedOperation], offer: Offer, operation: Operation, ping_name_owners: dict[str, str]
) -> str:
    """Adds `operation` to `modalities`, the operations already served at its path. Returns the reason to refuse the
    operation, or "" if it is added. `ping_name_owners` holds the names already taken for `{status}` in
    `/api/{status}/ping`."""
    # `ping_name_owners` holds each name that is taken in `/api/{status}/ping`, with the provider or plan that took it.
    if not _is_readable(operation):
        return "rule unknown"
    if operation.plan and not _may_join_plan(operation, offer.provider):
        return "offer refused"
    if any(offer.provider not in served.authorities for served in modalities.values()) and not operation.plan:
        return "path already served"
    problems = _problems(operation) | offer.problems
    if operation.plan:  # one provider must not decide which scopes open the other's data
        operation = PLANS[operation.plan][operation.id]
    served = ServedOperation(
        operation,
        offer.authority_of(operation),
        {offer.provider: offer.authority},
        problems,
        ReplySchema(operation.schema, gated=operation.gated),
        _ping_name(operation, offer.provider, ping_name_owners),
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


def monitored_by_ping_name(
    offers: Iterable[Offer], by_path: Mapping[str, tuple[ServedOperation, ...]]
) -> dict[str, MonitoredResource]:
    """Returns the resources (groups of operations) whose health the gateway shows at `/api/{status}/ping`. The keys are
    the names that replace `{status}`. FranceConnect is included once its worker has sent an offer."""
    table: dict[str, MonitoredResource] = {}
    if any(offer.provider == france_connect_session.PROVIDER for offer in offers):
        table[france_connect_session.PING_NAME] = MonitoredResource(
            france_connect_session.AUTHORITY, frozenset({france_connect_session.PROVIDER})
        )
    for served in (served for modalities in by_path.values() for served in modalities):
        if served.ping_name:
            table[served.ping_name] = MonitoredResource(served.authority, frozenset(served.authorities))
    return table


def documents_by_path(
    offers: Iterable[Offer], operation_paths: Container[str], refusals: OfferRefusals
) -> dict[str, bytes]:
    """Returns the public documents in the workers' offers as JSON, by path. A document goes to `refusals` instead if
    its path is not below `/api/`, or is taken by a document or an operation (`operation_paths`)."""
    table: dict[str, bytes] = {}
    for offer in offers:
        for path, document in offer.documents.items():
            if path.startswith(V2_PREFIX) and path not in operation_paths and path not in table:
                table[path] = msgspec.json.encode(document)
            else:
                refusals[offer.provider] += (OfferRefusal("document refused"),)
    return table


def _ping_name(operation: Operation, provider: str, ping_name_owners: dict[str, str]) -> str:
    """Returns the name that replaces `{status}` in `/api/{status}/ping`, which shows the operation's health. Returns ""
    if the name in the offer is malformed, or taken by another provider. `ping_name_owners` holds the provider of each
    name; a new name is added."""
    name, owner = operation.status_name, operation.plan or provider
    if PING_NAME_PATTERN.fullmatch(name) and ping_name_owners.setdefault(name, owner) == owner:
        return name
    return ""


def _is_readable(operation: Operation) -> bool:
    """Returns whether the gateway knows every validation rule that the operation names."""
    # A worker newer than the gateway may use rules that the gateway does not have.
    stages = (*operation.checks, operation.pivot, operation.identity_checks)
    return all(check.rule in RULES for stage in stages for check in stage)


def _problems(operation: Operation) -> dict[str, Failure]:
    return dict(quotient_familial.PROBLEMS) if operation.plan else {}


def _may_join_plan(operation: Operation, provider: str) -> bool:
    roles = quotient_familial.REGIMES
    return operation.id in PLANS.get(operation.plan, {}) and provider in (roles.asked_first, roles.asked_second)

"""Plan of a dossier (several lookups in one request): the operation and the query of each lookup."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from msgspec import Struct

from bouquet_gateway.dossiers.read import (
    FOR_EACH,
    OPERATION,
    DossierRequest,
    Fault,
    PartRequest,
    PersonsOf,
)
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers.catalogue import Match, OperationFamily
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.single_calls.parameters import Values
from bouquet_gateway.single_calls.target import CIVIL_STATUS_MODALITY, Target, newest_version
from bouquet_proto.offer import People

MAX_PERSONS = 12
"""Largest number of persons for whom a dossier repeats one lookup (`for_each`). The result for each further person is
an error."""


class ForEach(Struct, frozen=True, kw_only=True):
    """JSON member `for_each` of a part (one lookup of a dossier). The lookup is made once for each person whom the data
    of another part names."""

    source: str
    """Name of the part (lookup) whose data names the persons."""
    people: People | None
    """Place of the persons, and names of their fields, in the data of the part `source`. `None` if the part has a
    fault, or if its operation is not offered yet."""
    fallback: Values
    """Values for the fields of civil status that the persons' data lacks. Keys are canonical fields, such as
    `nom_naissance`."""


class Part(Struct, frozen=True, kw_only=True):
    """Lookup of a dossier (several lookups in one request), with its operation and query. With `for_each`, it is
    repeated for several persons."""

    name: str
    target: Target
    values: Values
    """Query parameters of the lookup, without `recipient`, by the names that the operation gives to them."""
    for_each: ForEach | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """Content of a valid dossier (several lookups in one request): its recipient, and its lookups in the caller's
    order."""

    recipient: str
    delegation_id: str
    parts: tuple[Part, ...]

    @property
    def paths_without_for_each(self) -> tuple[str, ...]:
        """Paths of the parts (lookups) without `for_each`. Authentication counts one call for each path."""
        # The calls of a part with `for_each` are counted later, once its persons are known.
        return tuple(part.target.path for part in self.parts if part.for_each is None)

    @property
    def has_part_by_session(self) -> bool:
        """Whether at least one part (lookup) of the dossier needs a citizen's FranceConnect session."""
        return any(part.target.by_session for part in self.parts)


def plan_dossier(request: DossierRequest, offers: Discovery, today: date) -> Plan | Problem:
    """Returns the plan of a dossier, or a `Problem` (422) with all faults of the dossier. Versions that are deprecated
    on the day `today` are avoided."""
    faults = list(request.faults)
    targets = {part.name: _target(part, offers, today) for part in request.parts}
    parts: list[Part] = []
    for part in request.parts:
        target = targets[part.name]
        for_each = _for_each(part.for_each, part.fallback, request, targets) if part.for_each else None
        if target is None:
            faults.append(Fault(OPERATION, f"/resources/{part.name}/operation"))
        elif part.for_each and not (for_each and target.is_by_civil_status):
            faults.append(Fault(FOR_EACH, f"/resources/{part.name}/for_each"))
        else:
            of_person = {} if for_each else target.parameters_for(request.person)
            values = {**of_person, **part.parameters}
            parts.append(Part(name=part.name, target=target, values=values, for_each=for_each))
    if faults:
        return Problem(*(fault.reason for fault in faults), pointers=[fault.pointer for fault in faults])
    return Plan(recipient=request.recipient, delegation_id=request.delegation_id, parts=tuple(parts))


def _for_each(
    persons: PersonsOf, fallback: Values, request: DossierRequest, targets: Mapping[str, Target | None]
) -> ForEach | None:
    """Checks the JSON member `for_each` of a part (one lookup of a dossier), and returns it with the place of the
    persons. Returns `None` if the member is wrong.

    `persons` names the other part that lists the persons. `fallback` has values for missing fields. `targets` holds the
    operation of each part of `request`, by the part's name.
    """
    # It is wrong if the other part does not exist, has a `for_each` of its own (which could make a circle), or has no
    # persons at that place.
    source = next((part for part in request.parts if part.name == persons.part), None)
    if (source is None and persons.part not in request.names) or (source is not None and source.for_each is not None):
        return None
    target = targets.get(persons.part)
    people = None
    if target is not None and target.match is not None:
        people = target.people_at(persons.path)
        if people is None:
            return None
    # Without a target, the other part has a fault of its own, or its operation is not offered yet.
    return ForEach(source=persons.part, people=people, fallback=fallback)


def _target(part: PartRequest, offers: Discovery, today: date) -> Target | None:
    """Returns the operation that a part (one lookup of a dossier) calls, or `None` if the operation or version does not
    exist. If the part names no version, prefers the newest that is not deprecated on the day `today`."""
    # A provider whose offer is still missing may offer the operation: the result is then a target without an operation.
    family = _family(part, offers)
    if family is None:
        path = f"/v{part.version or 3}/{part.operation}/{part.modality or CIVIL_STATUS_MODALITY}"
        return Target(path=path, match=None) if offers.may_be_offered(path) else None
    version = part.version or newest_version(family, today)
    served = next(iter(family.versions.get(version, ())), None)
    return Target(path=served.operation.path, match=Match(family, version, served)) if served else None


def _family(part: PartRequest, offers: Discovery) -> OperationFamily | None:
    families = offers.catalogue.resources.get(part.operation, {})
    only = next(iter(families)) if len(families) == 1 else CIVIL_STATUS_MODALITY
    return families.get(part.modality or only)

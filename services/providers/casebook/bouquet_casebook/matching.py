"""Which case a question is: its parameters and the case's, written alike, must be the same (http-contract §6.3, §6.4).

Letter case does not matter; accents, spaces, hyphens and the order of first names do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from bouquet_proto.identity import Identite
from bouquet_proto.messages import Lookup
from bouquet_proto.offer import Operation
from bouquet_proto.rules import Check, names_of

Signature: TypeAlias = tuple[str, ...]

FRANCE = "99100"

BY_SESSION, BY_CIVIL_STATUS = "_with_france_connect", "_with_civility"

PLACE = ("nom_commune_naissance", "code_cog_insee_departement_naissance")
FIRST_NAMES_IN_ONE = "_cnous_etudiant_boursier_with_france_connect"
"""Operations whose cases write the first names as one string, `A, B` (§6.4)."""


def signature_of_case(params: Mapping[str, Any]) -> Signature:
    return _signature(params)


def checks_of(operation: Operation, operations: Mapping[str, Operation]) -> tuple[Check, ...]:
    """Those whose parameters a case of the operation is written in. A FranceConnect operation asks for no identity,
    and its cases are written like those of its sibling that does (§6.4)."""
    sibling = operations.get(operation.id.replace(BY_SESSION, BY_CIVIL_STATUS), operation)
    return tuple(check for one in (operation, sibling) for stage in one.checks for check in stage)


def signature_of_question(operation: Operation, checks: tuple[Check, ...], lookup: Lookup) -> Signature:
    names = {canonical: name for check in checks for canonical, name in names_of(check).items()}
    values = msgspec.structs.asdict(lookup.identity) | dict(lookup.parameters)
    if isinstance(lookup.identity, Identite):
        _as_a_case_writes_it(values, operation, checks, lookup.identity)
    return _signature({names[field]: value for field, value in values.items() if field in names and value is not None})


def _as_a_case_writes_it(
    values: dict[str, Any], operation: Operation, checks: tuple[Check, ...], who: Identite
) -> None:
    """A part of the date counts when those above it are known; a commune, when the person was born in France."""
    year, month, day = (int(part) or None for part in who.date_naissance().split("-"))
    values |= {"annee_date_naissance": year, "mois_date_naissance": month, "jour_date_naissance": day}
    if who.code_cog_insee_pays_naissance not in (None, FRANCE):
        values["code_cog_insee_commune_naissance"] = None
    if any(check.rule == "place_silent" for check in checks):
        values |= dict.fromkeys(PLACE)  # production would have turned it into a commune code
    if operation.id.endswith(FIRST_NAMES_IN_ONE):
        values["prenoms"] = ", ".join(who.prenoms)


def _signature(params: Mapping[str, Any]) -> Signature:
    return tuple(sorted(pair for name, value in params.items() for pair in _pairs(name, value)))


def _pairs(name: str, value: Any) -> list[str]:
    """Numbers and strings are written alike; an empty list leaves nothing, null an empty value."""
    if isinstance(value, list | tuple):
        return [f"{name}[]={_text(item)}" for item in value]
    return [f"{name}={_text(value)}"]


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower()

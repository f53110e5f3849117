"""Reading of the persons whom the result of a lookup names. Another lookup of the same dossier (several lookups in one
request) can then ask about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from bouquet_gateway.dossiers.read import CIVIL_STATUS
from bouquet_gateway.lookup.people import MAX_PEOPLE, birth_date
from bouquet_gateway.offers.data_paths import objects_at
from bouquet_gateway.single_calls.parameters import Value, Values
from bouquet_proto.offer import People

SEX = "sexe"
"""Name, in answers, of the field that queries call `sexe_etat_civil`."""


def persons_in(data: Raw, people: People) -> Sequence[Values] | None:
    """Returns the civil status of each person in the data of a lookup. `people` says where the persons are, and how
    their fields are named. Keys of the result are canonical fields, such as `nom_naissance`; unknown values are left
    out.

    Returns `None` if the caller's scopes give no access to the persons.
    """
    whole = msgspec.json.decode(data)
    if not _is_open(whole, people.at):
        return None
    return [_civil_status(node, people) for node in objects_at(whole, people.at)[:MAX_PEOPLE]]


def _is_open(value: Any, path: str) -> bool:
    step, _, rest = path.partition(".")
    if not step or not isinstance(value, dict):
        return True
    return step in value and _is_open(value[step], rest)


def _civil_status(node: Mapping[str, Any], people: People) -> dict[str, Value]:
    named = {field: _value(node.get(field)) for field in CIVIL_STATUS.values()}
    names = _value(node.get(people.prenoms))
    first_names: Value | None = tuple(names.split()) if isinstance(names, str) else names
    year, month, day = (int(part) for part in birth_date(tuple(map(node.get, people.naissance))).split("-"))
    found: dict[str, Value | None] = {
        **named,
        "nom_naissance": _value(node.get(people.nom)),
        "prenoms": first_names,
        "sexe_etat_civil": named["sexe_etat_civil"] or _value(node.get(SEX)),
        "annee_date_naissance": year,
        "mois_date_naissance": month,
        "jour_date_naissance": day,
    }
    return {field: value for field, value in found.items() if value}


def _value(value: Any) -> Value | None:
    """Returns a text or a whole number unchanged, and a list of texts as a tuple; returns `None` for any other
    value."""
    if isinstance(value, str) or type(value) is int:
        return value
    return tuple(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else None

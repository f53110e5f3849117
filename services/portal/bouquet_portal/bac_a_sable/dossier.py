"""Example of a dossier (one request for several lookups), and the answer to a dossier as rows of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

PATH = "/bouquet/v1/dossiers"
EXAMPLE = """{
  "recipient": "13002526500013",
  "identite": {
    "nomNaissance": "LE GOUADEC", "prenoms": ["Maëlys", "Inès"], "sexeEtatCivil": "F",
    "anneeDateNaissance": 1989, "moisDateNaissance": 6, "jourDateNaissance": 14,
    "codeCogInseePaysNaissance": "99100", "codeCogInseeCommuneNaissance": "29019"
  },
  "resources": {
    "qf": { "operation": "dss/quotient_familial" },
    "aeeh": {
      "operation": "dss/allocation_enfant_handicape", "for_each": "qf.enfants",
      "with": { "codeCogInseePaysNaissance": "99100", "codeCogInseeCommuneNaissance": "29019" }
    },
    "emploi": { "operation": "france_travail/statut", "parameters": { "identifiant": "erreur-24003" } }
  }
}"""
"""Example of a dossier (one request for several lookups), with which the page's form is filled at first."""
# Its lookups get answers with different statuses.
LABELS = {
    "found": "trouvée",
    "not_found": "absente chez le fournisseur",
    "rejected": "paramètre à corriger",
    "refused": "non autorisée",
    "failed": "panne, à redemander",
}
"""French label of each status that a lookup in a dossier (one request for several lookups) may get."""


class Row(Struct, frozen=True):
    """Row of the table of answers to a dossier (one request for several lookups). A lookup repeated for several persons
    has one row for each person."""

    name: str
    person: int
    """Number of the person, from 1, if the lookup is repeated for several persons; 0 otherwise."""
    status: str
    provider: str
    shown: Any
    """Data or errors that answer the lookup; the page shows them as JSON."""
    codes: tuple[str, ...]
    """Error codes in the lookup's answer; empty if there are none."""

    @property
    def label(self) -> str:
        return LABELS.get(self.status, self.status)


class Fault(Struct, frozen=True):
    """Error in the answer to a dossier (one request for several lookups). `pointer` is a JSON pointer to the wrong
    field of the dossier; empty for none."""

    code: str
    detail: str
    pointer: str


def json_fault(text: str) -> str:
    """Returns a French text that says where and why a text is not a JSON object, or "" if it is one."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return f"Ce n'est pas du JSON : voyez la ligne {error.lineno}, colonne {error.colno}."
    except (RecursionError, ValueError):
        return "Ce JSON est trop profond, ou a un nombre trop long."
    return "" if isinstance(value, dict) else "Le dossier doit être un objet JSON, entre accolades."


def rows(body: Any) -> Iterator[Row]:
    """Yields a row for each lookup of a dossier, or for each person if a lookup concerns several. `body` is the decoded
    body of a response with status 200."""
    for name, part in _members(_members(body).get("data")).items():
        persons = _members(part).get("parts")
        if isinstance(persons, list):
            yield from (_row(name, number, person) for number, person in enumerate(persons, start=1))
        else:
            yield _row(name, 0, part)


def faults(body: Any) -> list[Fault]:
    """Returns the errors in `body`: the answer to one lookup, or the decoded body of an error response."""
    errors = _members(body).get("errors")
    return [
        Fault(
            str(error.get("code", "")),
            str(error.get("detail", "")),
            str(_members(error.get("source")).get("pointer", "")),
        )
        for error in map(_members, errors if isinstance(errors, list) else ())
    ]


def _row(name: str, person: int, part: Any) -> Row:
    members = _members(part)
    errors = members.get("errors")
    shown = members.get("data", errors)
    codes = tuple(fault.code for fault in faults(part))
    return Row(name, person, str(members.get("status", "")), str(members.get("provider", "")), shown, codes)


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

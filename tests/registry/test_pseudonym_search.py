"""Tests that the journal's search for a person finds every identity that an operation accepts for that person."""

from __future__ import annotations

from datetime import date
from itertools import product
from urllib.parse import urlencode

import msgspec
import pytest

from bouquet_mesh.pseudonym import pseudonym
from bouquet_mesh.secret import Secret
from bouquet_proto.identity import Identite
from bouquet_proto.offer import Operation
from bouquet_proto.query import parse_query
from bouquet_proto.rules import RuleViolations, apply_rules
from bouquet_registry.journal.pseudonym_search import identity_of, possible_pseudonyms
from tests.support.scripted_providers import offers

KEY = Secret("a key of pseudonyms")
MAELYS = {
    "nom": "LE GOUADEC",
    "prenom": "Maëlys Inès",
    "naissance": "1989-06-14",
    "sexe": "F",
    "commune": "29019",
}
WAYS: dict[str, tuple[str | list[str] | None, ...]] = {
    "nomNaissance": ("le gouaðec",),
    "nomUsage": (None, "DURANT"),
    "prenoms[]": (["Maëlys", "Inès"], ["MAELYS"]),
    "anneeDateNaissance": ("1989", None),
    "moisDateNaissance": ("6", None),
    "jourDateNaissance": ("14", None),
    "sexeEtatCivil": ("F", None),
    "codeCogInseePaysNaissance": ("99100", None),
    "codeCogInseeCommuneNaissance": ("29019", None),
    "nomCommuneNaissance": ("Brest", None),
    "codeCogInseeDepartementNaissance": ("29", None),
    "codeEtablissement": ("0890003V",),
    "anneeScolaire": ("2026",),
}
"""Values with which a caller may name Maëlys, by parameter; `None` leaves the parameter out."""
TODAY = date(2007, 11, 30)
"""Day on which Maëlys is 18 years old, as an operation for young people requires."""
OPERATIONS = {
    repr(one.checks): one
    for offer in offers()
    for one in offer.operations
    if one.modality == "identite" and not one.path.startswith("/api/")
}
"""Operations by civil status, one for each set of rules for parameters."""


def accepted(operation: Operation) -> list[Identite]:
    """Returns the identities that an operation accepts, one for each combination of `WAYS`."""
    found = []
    for values in product(*WAYS.values()):
        given = {name: value for name, value in zip(WAYS, values, strict=True) if value is not None}
        fields = apply_rules(operation.checks, parse_query(urlencode(given, doseq=True)), TODAY)
        if not isinstance(fields, RuleViolations):
            found.append(msgspec.convert(fields, Identite))
    return found


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda one: one.id)
def test_the_search_for_a_person_finds_every_identity_that_an_operation_accepts(operation: Operation) -> None:
    known = possible_pseudonyms([KEY], identity_of(MAELYS))
    identities = accepted(operation)
    assert identities
    assert [identity for identity in identities if pseudonym(KEY, identity) not in known] == []

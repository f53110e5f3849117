"""Tests that each spelling of an identity leads to the same request, or is refused with an error that names the
field."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bouquet_proto.identity import Identite
from bouquet_proto.normalisation import APOSTROPHES, CODES, HYPHENS, INVISIBLE, SPACES, normalised, normalised_identity
from bouquet_proto.offer import Offer, Operation
from bouquet_proto.query import parse_query
from bouquet_proto.rules import RULES, Values, apply_rules

TODAY = date(2026, 11, 29)
OFFERS = Path(__file__).parents[2] / "proto" / "offers"
PLAIN: dict[str, Any] = {
    "nom_naissance": "L'ÉTANG-LE GOUADEC",
    "nom_usage": "D'ARTAGNAN",
    "prenoms": "Maëlys-Inès",
    "sexe_etat_civil": "F",
    "code_cog_insee_pays_naissance": "99100",
    "code_cog_insee_commune_naissance": "2A004",
    "code_cog_insee_departement_naissance": "2A",
    "nom_commune_naissance": "L'Île-Rousse",
    "annee_date_naissance": "2005",
    "mois_date_naissance": "6",
    "jour_date_naissance": "14",
    "date_naissance": "1989-06-14",
    "ine": "1234567890G",
    "identifiant": "735319",
    "immatriculation": "AB-123-CD",
    "numero_allocataire": "2345678",
    "code_postal": "29200",
    "code_etablissement": "0511474A",
    "annee_scolaire": "2025-2026",
    "campaign_year": "2024",
    "annee": "2026",
    "mois": "5",
}
NOBODY = Identite(nom_naissance="")
LISTS = ("codes_bcn_departements", "codes_bcn_regions")


def respelt(text: str, spelling: str) -> str:
    match spelling:
        case "decomposed":
            return unicodedata.normalize("NFD", text)
        case "spaces around":
            return f"  {text} "
        case "no-break spaces":
            return f"\u00a0{text.replace(' ', chr(0xA0))}\u202f"
        case "double spaces":
            return text.replace(" ", "  ")
        case "an invisible mark":
            return f"\ufeff{text}\u200b"
        case "small letters":
            return text.lower()
        case apostrophe if apostrophe in APOSTROPHES:
            return text.replace("'", apostrophe)
        case hyphen:
            return text.replace("-", hyphen)


SPELLINGS = (
    "decomposed",
    "spaces around",
    "no-break spaces",
    "double spaces",
    "an invisible mark",
    *APOSTROPHES,
    *HYPHENS,
)


def operations() -> Iterator[Operation]:
    for path in sorted(OFFERS.glob("*.json")):
        yield from msgspec.json.decode(path.read_bytes(), type=Offer).operations


OPERATIONS = {operation.id: operation for operation in operations() if not operation.by_session}


def question(operation: Operation, spelling: str = "", fields: frozenset[str] | None = None) -> Values | object:
    """Returns what the rules of `operation` make of a query: the values that they read from it, or their refusal. The
    values of `fields` (by default all) are respelt in the way `spelling`, such as `decomposed`."""
    pairs = []
    for check in (check for stage in operation.checks for check in stage):
        for field, name in check.parameter_names.items():
            if field in LISTS or field == "degre_etablissement":
                continue
            text = str(PLAIN[field])
            if spelling and (fields is None or field in fields):
                text = respelt(text, spelling)
            is_list = RULES[check.rule].fields[field].schema["type"] == "array"
            pairs.append((f"{name}[]" if is_list else name, text))
    return apply_rules(operation.checks, parse_query(urlencode(dict(pairs))), TODAY)


@pytest.mark.parametrize("id_", OPERATIONS)
def test_the_plain_spelling_is_accepted(id_: str) -> None:
    assert isinstance(question(OPERATIONS[id_]), dict)


def others(spelling: str, fields: frozenset[str] | None = None) -> list[str]:
    """Returns the ids of the operations for which the spelling matters: if `fields` are respelt in the way `spelling`,
    their rules read other values or refuse the query."""
    return [id_ for id_, one in OPERATIONS.items() if question(one, spelling, fields) != question(one)]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda text: text if len(text) > 1 else f"U+{ord(text):04X}")
def test_another_spelling_is_the_same_question(spelling: str) -> None:
    assert others(spelling) == []


def test_small_letters_in_a_code_are_the_same_question() -> None:
    assert others("small letters", CODES) == []


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda text: text if len(text) > 1 else f"U+{ord(text):04X}")
def test_a_citizen_s_session_is_read_in_one_spelling(spelling: str) -> None:
    own = {name: value for name, value in PLAIN.items() if name in Identite.__struct_fields__ and "_date_" not in name}
    odd = {name: respelt(value, spelling) for name, value in own.items()}
    plain, typed = (structs.replace(NOBODY, **{**one, "prenoms": (one["prenoms"],)}) for one in (own, odd))
    assert normalised_identity(typed) == plain


@given(st.text(), st.sampled_from(["nom_naissance", "ine"]))
def test_tidying_twice_changes_nothing(text: str, field: str) -> None:
    assert normalised(field, normalised(field, text)) == normalised(field, text)


@given(st.text(st.characters(exclude_characters=f"'-{APOSTROPHES}{HYPHENS}{SPACES}{INVISIBLE}")))
def test_letters_and_digits_are_kept(text: str) -> None:
    assert normalised("nom_naissance", text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("text", ["Saint Denis", "LYON", "Paris", "Ville 1"])
def test_a_name_in_the_place_of_a_code_keeps_its_letters(text: str) -> None:
    assert normalised("code_cog_insee_commune_naissance", text) == text

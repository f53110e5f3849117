"""Pupils: where their school is looked for, and which school year."""

from __future__ import annotations

import re
from typing import NamedTuple

from bouquet_proto import bcn
from bouquet_proto.rules.reading import Field, Reading, Rule, text, texts

UAI = re.compile(r"\d{7}\w", re.ASCII)
DEGREE = re.compile(r"[12]D")
SCHOOL_YEAR = re.compile(r"\d{4}|\d{4}-\d{4}", re.ASCII)


class Perimeter(NamedTuple):
    known: frozenset[str]
    unknown_code: str


PERIMETERS = {
    "codes_bcn_departements": Perimeter(bcn.DEPARTEMENTS, "00416"),
    "codes_bcn_regions": Perimeter(bcn.REGIONS, "00417"),
}


def _school_search(reading: Reading) -> None:
    """By school, or by degree and exactly one kind of perimeter."""
    given = [field for field in PERIMETERS if reading.items(field) is not None]
    match reading.blank("code_etablissement"), given:
        case True, []:
            reading.refuse("00415")
        case False, []:
            _school(reading)
        case False, _:
            reading.refuse("00419")
        case True, _:
            reading.require("degre_etablissement", DEGREE, "00412")
            _perimeter(reading, given)


def _school(reading: Reading) -> None:
    """By school alone: v2 knows no perimeter."""
    reading.require("code_etablissement", UAI, "00410")


def _perimeter(reading: Reading, given: list[str]) -> None:
    if len(given) > 1:
        reading.refuse("00413")
        return
    [field] = given
    perimeter, codes = PERIMETERS[field], reading.items(field)
    if not isinstance(codes, tuple) or not codes or not all(code.strip() for code in codes):
        reading.refuse("00414")
    elif not perimeter.known.issuperset(codes):
        reading.refuse(perimeter.unknown_code)
    else:
        reading.keep(field, codes)


def _annee_scolaire(reading: Reading) -> None:
    reading.require("annee_scolaire", SCHOOL_YEAR, "00411")


def _school_field(*, required: bool) -> dict[str, Field]:
    return {
        "code_etablissement": Field(
            name="codeEtablissement",
            schema=text(pattern=r"^\d{7}\w$"),
            description="Code UAI de l'établissement",
            example="0511474A",
            required=required,
        )
    }


_SEARCH_FIELDS = {
    **_school_field(required=False),
    "degre_etablissement": Field(
        name="degreEtablissement",
        schema=text(enum=["1D", "2D"]),
        description="Degré de l'établissement, pour une recherche par périmètre",
    ),
    "codes_bcn_departements": Field(
        name="codesBcnDepartements",
        schema=texts(),
        description="Codes BCN des départements du périmètre",
    ),
    "codes_bcn_regions": Field(
        name="codesBcnRegions",
        schema=texts(),
        description="Codes BCN des régions du périmètre",
    ),
}
_ANNEE_FIELD = Field(
    name="anneeScolaire",
    schema=text(pattern=r"^(\d{4}|\d{4}-\d{4})$"),
    description="Année scolaire, AAAA ou AAAA-AAAA",
    example="2025-2026",
    required=True,
)

RULES = {
    "school_search": Rule(
        read=_school_search,
        fields=_SEARCH_FIELDS,
        codes=("00410", "00412", "00413", "00414", "00415", "00416", "00417", "00419"),
    ),
    "school": Rule(read=_school, fields=_school_field(required=True), codes=("00410",)),
    "annee_scolaire": Rule(read=_annee_scolaire, fields={"annee_scolaire": _ANNEE_FIELD}, codes=("00411",)),
}

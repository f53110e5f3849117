"""Validation rules of the school year, and of the two ways to designate a pupil's school: by its code, or by an area to
search."""

from __future__ import annotations

import re
from typing import NamedTuple

from bouquet_proto import bcn
from bouquet_proto.rules.rule import Field, Rule, RuleContext, text, texts

UAI = re.compile(r"\d{7}\w", re.ASCII)
DEGREE = re.compile(r"[12]D")
SCHOOL_YEAR = re.compile(r"\d{4}|\d{4}-\d{4}", re.ASCII)


class Perimeter(NamedTuple):
    """Kind of area in which a pupil's school is searched: départements or regions."""

    known: frozenset[str]
    """Codes of all départements, or of all regions."""
    unknown_code: str
    """Public error code for an area whose code is not in `known`."""


PERIMETERS = {
    "codes_bcn_departements": Perimeter(bcn.DEPARTEMENTS, "00416"),
    "codes_bcn_regions": Perimeter(bcn.REGIONS, "00417"),
}


def _school_search(context: RuleContext) -> None:
    """Requires either the code of a school, or a degree (`1D` or `2D`) and the départements or regions in which to
    search."""
    given = [field for field in PERIMETERS if context.items(field) is not None]
    match context.blank("code_etablissement"), given:
        case True, []:
            context.refuse("00415")
        case False, []:
            _school(context)
        case False, _:
            context.refuse("00419")
        case True, _:
            context.require("degre_etablissement", DEGREE, "00412")
            _perimeter(context, given)


def _school(context: RuleContext) -> None:
    context.require("code_etablissement", UAI, "00410")


def _perimeter(context: RuleContext, given: list[str]) -> None:
    if len(given) > 1:
        context.refuse("00413")
        return
    [field] = given
    perimeter, codes = PERIMETERS[field], context.items(field)
    if not isinstance(codes, tuple) or not codes or not all(code.strip() for code in codes):
        context.refuse("00414")
    elif not perimeter.known.issuperset(codes):
        context.refuse(perimeter.unknown_code)
    else:
        context.keep(field, codes)


def _annee_scolaire(context: RuleContext) -> None:
    context.require("annee_scolaire", SCHOOL_YEAR, "00411")


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

"""Validation rules of the birth place: the country and, for a birth in France, the commune, by code or by name."""

from __future__ import annotations

import re

from msgspec import structs

from bouquet_proto.identity import FRANCE
from bouquet_proto.rules import birth_date
from bouquet_proto.rules.rule import ANY_TEXT, Field, Rule, RuleContext, text

PAYS = "code_cog_insee_pays_naissance"
COMMUNE = "code_cog_insee_commune_naissance"
NOM_COMMUNE = "nom_commune_naissance"
ANNEE = "annee_date_naissance"
DEPARTEMENT = "code_cog_insee_departement_naissance"

COUNTRY_CODE = re.compile(r"99\d{3}|92352", re.ASCII)  # 92352: born in French Algeria
COMMUNE_CODE = re.compile(r"([013-9]\d|2[AB1-9])\d{3}", re.ASCII)
DEPARTEMENT_CODE = re.compile(r"2[AB]|97[12346]|0[1-9]|[1-8]\d|9[0-5]", re.ASCII)


def _pays(context: RuleContext) -> None:
    context.require(PAYS, COUNTRY_CODE, "00400")


def _commune_optional(context: RuleContext) -> None:
    context.accept(COMMUNE, "00365", COMMUNE_CODE)


def _commune_free(context: RuleContext) -> None:
    """Accepts any text as the code of the commune, as the provider Cnous does (docs/contract.md, V14)."""
    context.accept(COMMUNE, "00365")


def _commune_or_place(context: RuleContext) -> None:
    """Accepts a birth place, even with missing parts. The commune may be given by its code, or by its name, département
    and year of birth."""
    # In this case, the year and the département must be valid if they are given.
    by_place = context.text(PAYS) == FRANCE and context.blank(COMMUNE)
    if by_place and not (context.blank(NOM_COMMUNE) or context.blank(ANNEE) or _year_is_known(context)):
        context.refuse("00422")
    context.accept(COMMUNE, "00365", COMMUNE_CODE)
    context.accept(NOM_COMMUNE, "00365")
    context.accept(DEPARTEMENT, "00428", DEPARTEMENT_CODE if by_place else ANY_TEXT)


def _place_optional(context: RuleContext) -> None:
    """Accepts a missing birth place. Otherwise requires the commune's code, or its name with the département and the
    year of birth."""
    unnamed, nowhere = context.blank(NOM_COMMUNE), context.blank(DEPARTEMENT)
    by_place = context.blank(COMMUNE) and not (unnamed and nowhere)
    if by_place and unnamed:
        context.refuse("00365")
    if by_place and not _year_is_known(context):
        context.refuse("00422")
    if by_place and nowhere:
        context.refuse("00428")
    context.accept(NOM_COMMUNE, "00365")
    context.accept(DEPARTEMENT, "00428", DEPARTEMENT_CODE if by_place else ANY_TEXT)


def _year_is_known(context: RuleContext) -> bool:
    return 1900 <= context.four_digits(ANNEE) <= context.today.year


_PAYS_FIELD = Field(
    name="codeCogInseePaysNaissance",
    schema=text(minLength=5, maxLength=5),
    description="Code Insee à 5 chiffres du pays de naissance",
    example="99100",
    required=True,
)
_COMMUNE_FIELD = Field(
    name="codeCogInseeCommuneNaissance",
    schema=text(minLength=5, maxLength=5),
    description="Code Insee à 5 caractères de la commune de naissance",
    example="08480",
)
_COMMUNE_RECOMMENDED = structs.replace(
    _COMMUNE_FIELD, description="Code Insee à 5 caractères de la commune de naissance en France, fortement recommandé"
)
_PLACE_FIELDS = {
    NOM_COMMUNE: Field(
        name="nomCommuneNaissance",
        schema=text(minLength=1),
        description="Nom de la commune de naissance, à défaut de son code",
        example="Gennevilliers",
    ),
    DEPARTEMENT: Field(
        name="codeCogInseeDepartementNaissance",
        schema=text(minLength=2, maxLength=3),
        description="Code Insee du département de naissance, avec le nom de la commune",
        example="92",
    ),
}
_ANY_YEAR = {ANNEE: birth_date.fields(required=False)[ANNEE]}
_REQUIRED_YEAR = {ANNEE: birth_date.fields(required=True)[ANNEE]}

RULES = {
    "pays": Rule(read=_pays, fields={PAYS: _PAYS_FIELD}, codes=("00400",)),
    "commune_optional": Rule(read=_commune_optional, fields={COMMUNE: _COMMUNE_FIELD}, codes=("00365",)),
    "commune_free": Rule(read=_commune_free, fields={COMMUNE: _COMMUNE_FIELD}, codes=("00365",)),
    "commune_or_place": Rule(
        read=_commune_or_place,
        fields={COMMUNE: _COMMUNE_RECOMMENDED, PAYS: _PAYS_FIELD, **_ANY_YEAR, **_PLACE_FIELDS},
        codes=("00365", "00422", "00428"),
    ),
    "place_optional": Rule(
        read=_place_optional,
        fields={COMMUNE: _COMMUNE_FIELD, **_REQUIRED_YEAR, **_PLACE_FIELDS},
        codes=("00365", "00422", "00428"),
    ),
}

"""The place of birth: a country, and in France a commune's code or what it can be found by."""

from __future__ import annotations

import re

from msgspec import structs

from bouquet_proto.identity import FRANCE
from bouquet_proto.rules import birth_date
from bouquet_proto.rules.reading import ANYTHING, Field, Reading, Rule, text

PAYS = "code_cog_insee_pays_naissance"
COMMUNE = "code_cog_insee_commune_naissance"
NOM_COMMUNE = "nom_commune_naissance"
ANNEE = "annee_date_naissance"
DEPARTEMENT = "code_cog_insee_departement_naissance"

COUNTRY_CODE = re.compile(r"99\d{3}|92352", re.ASCII)  # 92352: born in French Algeria
COMMUNE_CODE = re.compile(r"([013-9]\d|2[AB1-9])\d{3}", re.ASCII)
DEPARTEMENT_CODE = re.compile(r"2[AB]|97[12346]|0[1-9]|[1-8]\d|9[0-5]", re.ASCII)


def _pays(reading: Reading) -> None:
    reading.require(PAYS, COUNTRY_CODE, "00400")


def _commune_optional(reading: Reading) -> None:
    reading.accept(COMMUNE, "00365", COMMUNE_CODE)


def _commune_free(reading: Reading) -> None:
    """Any text (docs/contract.md, V14: Cnous does not validate it)."""
    reading.accept(COMMUNE, "00365")


def _commune_or_place(reading: Reading) -> None:
    """Whatever is told of it, be it nothing but the country. In France a commune without a code is found by its name,
    in the year and the département, which must be possible ones."""
    by_place = reading.text(PAYS) == FRANCE and reading.blank(COMMUNE)
    if by_place and not (reading.blank(NOM_COMMUNE) or reading.blank(ANNEE) or _year_is_known(reading)):
        reading.refuse("00422")
    reading.accept(COMMUNE, "00365", COMMUNE_CODE)
    reading.accept(NOM_COMMUNE, "00365")
    reading.accept(DEPARTEMENT, "00428", DEPARTEMENT_CODE if by_place else ANYTHING)


def _place_optional(reading: Reading) -> None:
    """Nothing, or a commune's name, the year and the département, which make a place together. Beside a commune code
    they are not needed."""
    unnamed, nowhere = reading.blank(NOM_COMMUNE), reading.blank(DEPARTEMENT)
    by_place = reading.blank(COMMUNE) and not (unnamed and nowhere)
    if by_place and unnamed:
        reading.refuse("00365")
    if by_place and not _year_is_known(reading):
        reading.refuse("00422")
    if by_place and nowhere:
        reading.refuse("00428")
    reading.accept(NOM_COMMUNE, "00365")
    reading.accept(DEPARTEMENT, "00428", DEPARTEMENT_CODE if by_place else ANYTHING)


def _year_is_known(reading: Reading) -> bool:
    """To INSEE, whose communes are dated from 1900 on."""
    return 1900 <= reading.four_digits(ANNEE) <= reading.today.year


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

"""Names and sex."""

from __future__ import annotations

import re

from bouquet_proto.letters import in_ascii
from bouquet_proto.rules.reading import Field, Reading, Rule, text, texts

NAME = re.compile(r"[a-zA-ZÀ-ÖØ-öø-ÿ' -]+")
SEXE = re.compile(r"[MF]", re.IGNORECASE | re.ASCII)


def _nom(reading: Reading) -> None:
    name = reading.matching("nom_naissance", NAME)
    if name and name.strip():
        reading.keep("nom_naissance", name)
    else:
        reading.refuse("00420")


def _nom_usage(reading: Reading) -> None:
    """Any text whose letters can be written in ASCII. A blank one is kept, since no case of a sandbox that has none is
    meant then (http-contract §6.4)."""
    match reading.text("nom_usage"):
        case None:
            pass
        case str() as name if in_ascii(name) is not None:
            reading.keep("nom_usage", name)
        case _:
            reading.refuse("00366")


def _prenoms_optional(reading: Reading) -> None:
    match reading.items("prenoms"):
        case None:
            pass
        case (_, *_) as names if all(NAME.fullmatch(name) for name in names):
            reading.keep("prenoms", tuple(names))
        case _:
            reading.refuse("00367")


def _prenoms_required(reading: Reading) -> None:
    """At least one, and none blank; their letters are not looked at."""
    match reading.items("prenoms"):
        case (_, *_) as names if all(name.strip() for name in names):
            reading.keep("prenoms", tuple(names))
        case _:
            reading.refuse("00421")


def _prenom(reading: Reading) -> None:
    """The only one, whatever spaces it has."""
    match reading.text("prenoms"):
        case str() as name if name.strip():
            reading.keep("prenoms", (name,))
        case _:
            reading.refuse("00421")


def _prenoms_in_one(reading: Reading) -> None:
    """In one text, separated by spaces."""
    match reading.text("prenoms"):
        case str() as names if names.strip():
            reading.keep("prenoms", tuple(names.split()))
        case _:
            reading.refuse("00421")


def _sexe_required(reading: Reading) -> None:
    if sexe := reading.matching("sexe_etat_civil", SEXE):
        reading.keep("sexe_etat_civil", sexe.upper())
    else:
        reading.refuse("00427")


def _sexe_optional(reading: Reading) -> None:
    """Any text, kept when it is one of the two (Cnous does not validate it, V14)."""
    if reading.malformed("sexe_etat_civil"):
        reading.refuse("00427")
    elif sexe := reading.matching("sexe_etat_civil", SEXE):
        reading.keep("sexe_etat_civil", sexe.upper())


def _prenoms_field(*, required: bool) -> dict[str, Field]:
    return {
        "prenoms": Field(
            name="prenoms",
            schema=texts(minItems=1),
            description="Liste des prénoms",
            example=["PIERRE"],
            required=required,
        )
    }


def _sexe_field(*, required: bool) -> dict[str, Field]:
    return {
        "sexe_etat_civil": Field(
            name="sexeEtatCivil",
            schema=text(enum=["M", "F"]),
            description="Sexe de l'état civil",
            example="M",
            required=required,
        )
    }


_NOM_FIELD = Field(
    name="nomNaissance",
    schema=text(),
    description="Nom de naissance",
    example="DURANT",
    required=True,
)
_PRENOM_FIELD = Field(name="prenom", schema=text(), description="Prénom", example="PIERRE", required=True)
_PRENOMS_IN_ONE_FIELD = Field(
    name="prenoms",
    schema=text(),
    description="Prénoms, séparés par des espaces",
    example="PIERRE RICHARD",
    required=True,
)
_NOM_USAGE_FIELD = Field(name="nomUsage", schema=text(), description="Nom d'usage", example="DUPONT")

RULES = {
    "nom": Rule(read=_nom, fields={"nom_naissance": _NOM_FIELD}, codes=("00420",)),
    "nom_usage": Rule(read=_nom_usage, fields={"nom_usage": _NOM_USAGE_FIELD}, codes=("00366",)),
    "prenoms_optional": Rule(read=_prenoms_optional, fields=_prenoms_field(required=False), codes=("00367",)),
    "prenoms_required": Rule(read=_prenoms_required, fields=_prenoms_field(required=True), codes=("00421",)),
    "prenom": Rule(read=_prenom, fields={"prenoms": _PRENOM_FIELD}, codes=("00421",)),
    "prenoms_in_one": Rule(read=_prenoms_in_one, fields={"prenoms": _PRENOMS_IN_ONE_FIELD}, codes=("00421",)),
    "sexe_required": Rule(read=_sexe_required, fields=_sexe_field(required=True), codes=("00427",)),
    "sexe_optional": Rule(read=_sexe_optional, fields=_sexe_field(required=False), codes=("00427",)),
}

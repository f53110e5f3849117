"""Names and sex."""

from __future__ import annotations

import re

from bouquet_proto.query import Malformed
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
    """With the letters of a birth name. A blank one is kept, since no case of a sandbox that has none is meant then
    (docs/reference/contract.md §6.4)."""
    match reading.text("nom_usage"):
        case None:
            pass
        case str() as name if not name or NAME.fullmatch(name):
            reading.keep("nom_usage", name)
        case _:
            reading.refuse("00426")


def _prenoms_optional(reading: Reading) -> None:
    names = reading.items("prenoms")
    if names is not None:
        _keep_names(reading, names, "00367")


def _prenoms_required(reading: Reading) -> None:
    _keep_names(reading, reading.items("prenoms"), "00421")


def _keep_names(reading: Reading, names: tuple[str, ...] | Malformed | None, code: str) -> None:
    """At least one, each of letters that names have; none blank."""
    match names:
        case (_, *_) if all(map(NAME.fullmatch, names)):
            reading.keep("prenoms", names)
        case _:
            reading.refuse(code)


def _prenoms_known(reading: Reading) -> None:
    """At least one, and none blank. For first names that nobody types, whose letters were looked at already."""
    match reading.items("prenoms"):
        case (_, *_) as names if all(name.strip() for name in names):
            reading.keep("prenoms", tuple(names))
        case _:
            reading.refuse("00421")


def _prenom(reading: Reading) -> None:
    """The only one, whatever spaces it has."""
    if name := reading.matching("prenoms", NAME):
        reading.keep("prenoms", (name,))
    else:
        reading.refuse("00421")


def _prenoms_in_one(reading: Reading) -> None:
    """In one text, separated by spaces."""
    if names := reading.matching("prenoms", NAME):
        reading.keep("prenoms", tuple(names.split()))
    else:
        reading.refuse("00421")


def _sexe_required(reading: Reading) -> None:
    if sexe := reading.matching("sexe_etat_civil", SEXE):
        reading.keep("sexe_etat_civil", sexe.upper())
    else:
        reading.refuse("00427")


def _sexe_optional(reading: Reading) -> None:
    if not reading.blank("sexe_etat_civil"):
        _sexe_required(reading)


def _sexe_free(reading: Reading) -> None:
    """Any text, kept when it is one of the two (docs/contract.md, V14: Cnous does not validate it)."""
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


def _sexe_field(*, required: bool, advice: str = "") -> dict[str, Field]:
    return {
        "sexe_etat_civil": Field(
            name="sexeEtatCivil",
            schema=text(enum=["M", "F"]),
            description=f"Sexe de l'état civil{advice}",
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
    "nom_usage": Rule(read=_nom_usage, fields={"nom_usage": _NOM_USAGE_FIELD}, codes=("00426",)),
    "prenoms_optional": Rule(read=_prenoms_optional, fields=_prenoms_field(required=False), codes=("00367",)),
    "prenoms_required": Rule(read=_prenoms_required, fields=_prenoms_field(required=True), codes=("00421",)),
    "prenoms_known": Rule(read=_prenoms_known, fields=_prenoms_field(required=True), codes=("00421",)),
    "prenom": Rule(read=_prenom, fields={"prenoms": _PRENOM_FIELD}, codes=("00421",)),
    "prenoms_in_one": Rule(read=_prenoms_in_one, fields={"prenoms": _PRENOMS_IN_ONE_FIELD}, codes=("00421",)),
    "sexe_required": Rule(read=_sexe_required, fields=_sexe_field(required=True), codes=("00427",)),
    "sexe_optional": Rule(
        read=_sexe_optional,
        fields=_sexe_field(required=False, advice=", fortement recommandé"),
        codes=("00427",),
    ),
    "sexe_free": Rule(read=_sexe_free, fields=_sexe_field(required=False), codes=("00427",)),
}

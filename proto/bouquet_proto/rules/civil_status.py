"""Validation rules of names, first names and sex."""

from __future__ import annotations

import re

from bouquet_proto.query import Malformed
from bouquet_proto.rules.rule import Field, Rule, RuleContext, text, texts

NAME = re.compile(r"[a-zA-ZÀ-ÖØ-öø-ÿ' -]+")
SEXE = re.compile(r"[MF]", re.IGNORECASE | re.ASCII)


def _nom(context: RuleContext) -> None:
    name = context.matching("nom_naissance", NAME)
    if name and name.strip():
        context.keep("nom_naissance", name)
    else:
        context.refuse("00420")


def _nom_usage(context: RuleContext) -> None:
    """Accepts a usage name that is missing, empty, or made of the characters allowed in a birth name."""
    # An empty name is kept, since it may select a case of the sandbox (docs/reference/contract.md §6.4).
    match context.text("nom_usage"):
        case None:
            pass
        case str() as name if not name or NAME.fullmatch(name):
            context.keep("nom_usage", name)
        case _:
            context.refuse("00426")


def _prenoms_optional(context: RuleContext) -> None:
    names = context.items("prenoms")
    if names is not None:
        _keep_names(context, names, "00367")


def _prenoms_required(context: RuleContext) -> None:
    _keep_names(context, context.items("prenoms"), "00421")


def _keep_names(context: RuleContext, names: tuple[str, ...] | Malformed | None, code: str) -> None:
    """Records `names` as the person's first names. Records the error code `code` instead if there are no names, or if a
    name contains a character that is not allowed."""
    match names:
        case (_, *_) if all(map(NAME.fullmatch, names)):
            context.keep("prenoms", names)
        case _:
            context.refuse(code)


def _prenoms_known(context: RuleContext) -> None:
    """Requires at least one first name, and refuses blank ones. Allows all characters, because the names come from
    FranceConnect."""
    match context.items("prenoms"):
        case (_, *_) as names if all(name.strip() for name in names):
            context.keep("prenoms", tuple(names))
        case _:
            context.refuse("00421")


def _prenom(context: RuleContext) -> None:
    """Requires exactly one first name, which may contain spaces."""
    if name := context.matching("prenoms", NAME):
        context.keep("prenoms", (name,))
    else:
        context.refuse("00421")


def _prenoms_in_one(context: RuleContext) -> None:
    """Requires a text that holds all first names, separated by spaces, and records each of them."""
    if names := context.matching("prenoms", NAME):
        context.keep("prenoms", tuple(names.split()))
    else:
        context.refuse("00421")


def _sexe_required(context: RuleContext) -> None:
    if sexe := context.matching("sexe_etat_civil", SEXE):
        context.keep("sexe_etat_civil", sexe.upper())
    else:
        context.refuse("00427")


def _sexe_optional(context: RuleContext) -> None:
    if not context.blank("sexe_etat_civil"):
        _sexe_required(context)


def _sexe_free(context: RuleContext) -> None:
    """Accepts any text as the sex, but records only `M` or `F`. The provider Cnous does not validate the sex
    (docs/contract.md, V14)."""
    if context.malformed("sexe_etat_civil"):
        context.refuse("00427")
    elif sexe := context.matching("sexe_etat_civil", SEXE):
        context.keep("sexe_etat_civil", sexe.upper())


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

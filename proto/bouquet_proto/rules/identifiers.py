"""Validation rules of the identifiers that providers give to people, and of the number plates of vehicles."""

from __future__ import annotations

import re

from bouquet_proto.rules.rule import Field, Rule, RuleContext, text

NOT_BLANK = re.compile(r".*\S.*")
DIGITS = re.compile(r"\d{1,20}", re.ASCII)  # thousands of digits would be an upstream's failure (docs/contract.md)
PLATE = re.compile("(?=.*\\S)[^\ufffe\uffff]{1,20}")  # no plate is longer; XML excludes these two characters
FILE_NUMBER = re.compile(r"\d{5,7}", re.ASCII)
POSTAL_CODE = re.compile(r"\d{5}", re.ASCII)


def _identifiant(context: RuleContext) -> None:
    context.require("identifiant", NOT_BLANK, "00380")


def _identifiant_numerique(context: RuleContext) -> None:
    context.require("identifiant", DIGITS, "00380")


def _numero_allocataire(context: RuleContext) -> None:
    context.require("numero_allocataire", FILE_NUMBER, "00352")
    context.require("code_postal", POSTAL_CODE, "00351")


def _immatriculation(context: RuleContext) -> None:
    context.require("immatriculation", PLATE, "00430")


_IDENTIFIANT_FIELD = Field(
    name="identifiant",
    schema=text(),
    description="Identifiant auprès du fournisseur",
    required=True,
)
_IDENTIFIANT_NUMERIQUE_FIELD = Field(
    name="identifiant",
    schema=text(),
    description="Identifiant auprès du fournisseur, en chiffres",
    example="123456789",
    required=True,
)
_ALLOCATAIRE_FIELDS = {
    "numero_allocataire": Field(
        name="numeroAllocataire",
        schema=text(pattern="^[0-9]{5,7}$"),
        description="Numéro d'allocataire de la CAF",
        example="2345678",
        required=True,
    ),
    "code_postal": Field(
        name="codePostal",
        schema=text(pattern="^[0-9]{5}$"),
        description="Code postal de l'allocataire",
        example="75001",
        required=True,
    ),
}
_IMMATRICULATION_FIELD = Field(
    name="immatriculation",
    schema=text(),
    description="Numéro d'immatriculation du véhicule, tel qu'il est sur sa plaque",
    example="AA-123-AA",
    required=True,
)

RULES = {
    "identifiant": Rule(read=_identifiant, fields={"identifiant": _IDENTIFIANT_FIELD}, codes=("00380",)),
    "identifiant_numerique": Rule(
        read=_identifiant_numerique,
        fields={"identifiant": _IDENTIFIANT_NUMERIQUE_FIELD},
        codes=("00380",),
    ),
    "numero_allocataire": Rule(
        read=_numero_allocataire,
        fields=_ALLOCATAIRE_FIELDS,
        codes=("00352", "00351"),
    ),
    "immatriculation": Rule(
        read=_immatriculation, fields={"immatriculation": _IMMATRICULATION_FIELD}, codes=("00430",)
    ),
}

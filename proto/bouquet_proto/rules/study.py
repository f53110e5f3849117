"""Validation rules for a student's national number (INE), and for the year of a scholarship campaign."""

from __future__ import annotations

import re

from bouquet_proto.rules.rule import Field, Rule, RuleContext, integer, text

INE = re.compile(
    "|".join(
        (
            r"\d{9}[A-HJK]{2}",  # RNIE
            r"\d{10}[A-HJ-NPR-Z]",  # BEA
            r"[0-9A-Z]{10}\d",  # base 36
            r"\d{4}A\d{5}[A-HJ-NPR-Z]",  # SIFA
        )
    ),
    re.IGNORECASE | re.ASCII,
)
FIRST_CAMPAIGN = 2021


def _ine(context: RuleContext) -> None:
    context.require("ine", INE, "00360")


def _campaign_year(context: RuleContext) -> None:
    """Accepts a missing year, or the year in which a scholarship campaign began: four digits, `FIRST_CAMPAIGN` or
    later."""
    if context.blank("campaign_year"):
        return
    year = context.four_digits("campaign_year")
    if year >= FIRST_CAMPAIGN:
        context.keep("campaign_year", year)
    else:
        context.refuse("00368")


_INE_FIELD = Field(
    name="ine",
    schema=text(pattern="^[0-9a-zA-Z]{11}$"),
    description="Identifiant national de l'étudiant",
    example="1234567890G",
    required=True,
)
_CAMPAIGN_FIELD = Field(
    name="campaignYear",
    schema=integer(minimum=FIRST_CAMPAIGN),
    description="Année de début de la campagne de bourse",
    example=2024,
)

RULES = {
    "ine": Rule(read=_ine, fields={"ine": _INE_FIELD}, codes=("00360",)),
    "campaign_year": Rule(read=_campaign_year, fields={"campaign_year": _CAMPAIGN_FIELD}, codes=("00368",)),
}

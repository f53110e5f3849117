"""The month of the quotient familial that is asked for."""

from __future__ import annotations

from bouquet_proto.rules.reading import Field, Reading, Rule, integer


def _annee(reading: Reading) -> None:
    """This year or one of the two before."""
    if reading.text("annee") is None:
        return
    year = reading.four_digits("annee")
    if reading.today.year - 2 <= year <= reading.today.year:
        reading.keep("annee", year)
    else:
        reading.refuse("00356")


def _mois(reading: Reading) -> None:
    """Of the year asked, else of this one; never in the future, with or without a year (V4)."""
    if reading.text("mois") is None:
        return
    month, today = reading.integer("mois"), reading.today
    year = today.year if reading.text("annee") is None else reading.four_digits("annee")
    if 1 <= month <= 12 and (year < today.year or month <= today.month):
        reading.keep("mois", month)
    else:
        reading.refuse("00354")


_ANNEE_FIELD = Field(name="annee", schema=integer(), description="Année demandée, à défaut celle en cours")
_MOIS_FIELD = Field(name="mois", schema=integer(), description="Mois demandé", example=1)

RULES = {
    "qf_annee": Rule(read=_annee, fields={"annee": _ANNEE_FIELD}, codes=("00356",)),
    "qf_mois": Rule(read=_mois, fields={"mois": _MOIS_FIELD, "annee": _ANNEE_FIELD}, codes=("00354",)),
}

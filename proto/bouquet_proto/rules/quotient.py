"""The month of the quotient familial that is asked for."""

from __future__ import annotations

from datetime import date

from bouquet_proto.rules.reading import Field, Reading, Rule, integer

MONTHS = range(1, 13)
HISTORY_MONTHS = 23
"""Months before the present one whose quotient can still be asked for."""


def _annee(reading: Reading) -> None:
    """Reads `annee`, which must be the current year or one of the two before it."""
    if reading.text("annee") is None:
        return
    year = reading.four_digits("annee")
    if year in _years(reading.today):
        reading.keep("annee", year)
    else:
        reading.refuse("00356")


def _mois(reading: Reading) -> None:
    """Of the year asked, else of this one; never in the future, with or without a year (docs/contract.md, V4)."""
    if reading.text("mois") is None:
        return
    month, today = reading.integer("mois"), reading.today
    year = today.year if reading.text("annee") is None else reading.four_digits("annee")
    if month in MONTHS and (year < today.year or month <= today.month):
        reading.keep("mois", month)
    else:
        reading.refuse("00354")


def _periode(reading: Reading) -> None:
    """A part that is not told is today's. One that is wrong by itself has a code of its own."""
    today, told = reading.today, {part for part in ("annee", "mois") if reading.text(part) is not None}
    year = reading.four_digits("annee") if "annee" in told else today.year
    month = reading.integer("mois") if "mois" in told else today.month
    months_ago = (today.year - year) * 12 + today.month - month
    if year in _years(today) and month in MONTHS and months_ago > HISTORY_MONTHS:
        reading.refuse("00355")


def _years(today: date) -> range:
    return range(today.year - 2, today.year + 1)


_ANNEE_FIELD = Field(name="annee", schema=integer(), description="Année demandée, à défaut celle en cours")
_MOIS_FIELD = Field(name="mois", schema=integer(), description="Mois demandé", example=1)

RULES = {
    "qf_annee": Rule(read=_annee, fields={"annee": _ANNEE_FIELD}, codes=("00356",)),
    "qf_mois": Rule(read=_mois, fields={"mois": _MOIS_FIELD, "annee": _ANNEE_FIELD}, codes=("00354",)),
    "qf_periode": Rule(read=_periode, fields={"mois": _MOIS_FIELD, "annee": _ANNEE_FIELD}, codes=("00355",)),
}

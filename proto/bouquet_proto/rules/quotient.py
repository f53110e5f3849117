"""Validation rules of the parameters `annee` and `mois`, the month of the requested quotient familial."""

from __future__ import annotations

from datetime import date

from bouquet_proto.rules.rule import Field, Rule, RuleContext, integer

MONTHS = range(1, 13)
HISTORY_MONTHS = 23
"""Number of months before the current one for which a quotient familial can still be requested."""


def _annee(context: RuleContext) -> None:
    """Accepts a missing year, the current year, or one of the two years before it."""
    if context.text("annee") is None:
        return
    year = context.four_digits("annee")
    if year in _years(context.today):
        context.keep("annee", year)
    else:
        context.refuse("00356")


def _mois(context: RuleContext) -> None:
    """Accepts a missing month, or one that is not in the future. If the query gives no year, the month is taken to be
    in the current year (docs/contract.md, V4)."""
    if context.text("mois") is None:
        return
    month, today = context.integer("mois"), context.today
    year = today.year if context.text("annee") is None else context.four_digits("annee")
    if month in MONTHS and (year < today.year or month <= today.month):
        context.keep("mois", month)
    else:
        context.refuse("00354")


def _periode(context: RuleContext) -> None:
    """Refuses a requested month that is more than `HISTORY_MONTHS` months before the current one. A missing year or
    month counts as the current one."""
    # Invalid years and months are left to other rules, which refuse them.
    today, given = context.today, {part for part in ("annee", "mois") if context.text(part) is not None}
    year = context.four_digits("annee") if "annee" in given else today.year
    month = context.integer("mois") if "mois" in given else today.month
    months_ago = (today.year - year) * 12 + today.month - month
    if year in _years(today) and month in MONTHS and months_ago > HISTORY_MONTHS:
        context.refuse("00355")


def _years(today: date) -> range:
    return range(today.year - 2, today.year + 1)


_ANNEE_FIELD = Field(name="annee", schema=integer(), description="Année demandée, à défaut celle en cours")
_MOIS_FIELD = Field(name="mois", schema=integer(), description="Mois demandé", example=1)

RULES = {
    "qf_annee": Rule(read=_annee, fields={"annee": _ANNEE_FIELD}, codes=("00356",)),
    "qf_mois": Rule(read=_mois, fields={"mois": _MOIS_FIELD, "annee": _ANNEE_FIELD}, codes=("00354",)),
    "qf_periode": Rule(read=_periode, fields={"mois": _MOIS_FIELD, "annee": _ANNEE_FIELD}, codes=("00355",)),
}

"""Validation rules of the birth date, given as year, month and day or, in v2, as one text."""

from __future__ import annotations

from datetime import date

from bouquet_proto.query import leading_integer
from bouquet_proto.rules.rule import Field, Rule, RuleContext, integer, text

PARTS = {
    "annee_date_naissance": range(1900, 10_000),  # `89` or `14` is part of a year, or a day
    "mois_date_naissance": range(1, 13),
    "jour_date_naissance": range(1, 32),
}


def _date_partial(context: RuleContext) -> None:
    """Accepts a birth date with missing parts. Year, month and day, if given, must each be in their range. A date with
    all three must be in the past."""
    parts = context.integers(PARTS)
    plausible = all(parts[part] in PARTS[part] for part in parts)
    if plausible and (len(parts) < len(PARTS) or _is_past(parts, context.today)):
        context.values.update(parts)
    else:
        context.refuse("00363")


def _date_full(context: RuleContext) -> None:
    """Requires an existing date with year, month and day. If several parts are wrong, reports only the code of the
    first fault."""
    parts = {part: context.integer(part) for part in PARTS}
    if code := _first_fault(parts):
        context.refuse(code)
    else:
        context.values.update(parts)


def _date_with_year(context: RuleContext) -> None:
    """Requires a year. Month and day may be missing, but are checked if they are given. If several parts are wrong,
    reports only the code of the first fault."""
    known = context.integers(PARTS)
    if code := _first_fault({"annee_date_naissance": 0, "mois_date_naissance": 1, "jour_date_naissance": 1} | known):
        context.refuse(code)
    else:
        context.values.update(known)


def _date_in_one(context: RuleContext) -> None:
    """Requires a date in the form `YYYY-MM-DD`, given as one text. Reports the same codes as the rule `date_full`."""
    written = context.text("date_naissance")
    year, month, day, *rest = (written.split("-") if isinstance(written, str) else []) + 3 * [""]
    parts = dict(zip(PARTS, map(leading_integer, (year, month, day)), strict=True))
    if code := _first_fault(parts) or ("00425" if any(rest) else None):
        context.refuse(code)
    else:
        context.values.update(parts)


def _age_16_to_25(context: RuleContext) -> None:
    """Requires a birth date for which the person is from 16 to 25 years old today. Also refuses an impossible date."""
    born = _day({part: context.integer(part) for part in PARTS})
    if born is None or not 16 <= _age_years(born, context.today) <= 25:
        context.refuse("39400")


def _age_years(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _is_past(parts: dict[str, int], today: date) -> bool:
    born = _day(parts)
    return born is not None and born < today


def _first_fault(parts: dict[str, int]) -> str | None:
    for part, code in zip(PARTS, ("00422", "00423", "00424"), strict=True):
        if parts[part] not in PARTS[part]:
            return code
    return None if _day(parts) else "00425"


def _day(parts: dict[str, int]) -> date | None:
    try:
        return date(*map(parts.__getitem__, PARTS))
    except (ValueError, OverflowError):
        return None


def fields(*, required: bool) -> dict[str, Field]:
    return {
        "annee_date_naissance": Field(
            name="anneeDateNaissance",
            schema=integer(),
            description="Année de naissance",
            example=1990,
            required=required,
        ),
        "mois_date_naissance": Field(
            name="moisDateNaissance",
            schema=integer(),
            description="Mois de naissance",
            example=1,
            required=required,
        ),
        "jour_date_naissance": Field(
            name="jourDateNaissance",
            schema=integer(),
            description="Jour de naissance",
            example=1,
            required=required,
        ),
    }


_CODES = ("00422", "00423", "00424", "00425")

RULES = {
    "date_partial": Rule(read=_date_partial, fields=fields(required=False), codes=("00363",)),
    "date_full": Rule(
        read=_date_full,
        fields=fields(required=True),
        codes=_CODES,
    ),
    "age_16_to_25": Rule(read=_age_16_to_25, fields=fields(required=True), codes=("39400",)),
    "date_with_year": Rule(read=_date_with_year, fields=fields(required=False), codes=_CODES),
    "date_in_one": Rule(
        read=_date_in_one,
        fields={
            "date_naissance": Field(
                name="dateDeNaissance",
                schema=text(format="date"),
                description="Date de naissance, AAAA-MM-JJ",
                example="1990-01-31",
                required=True,
            )
        },
        parts=tuple(PARTS),
        codes=_CODES,
    ),
}

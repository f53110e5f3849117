"""The date of birth, in three parts."""

from __future__ import annotations

from datetime import date

from bouquet_proto.rules.reading import Field, Reading, Rule, integer

PARTS = {
    "annee_date_naissance": range(1, 10_000),
    "mois_date_naissance": range(1, 13),
    "jour_date_naissance": range(1, 32),
}
OLDEST = date(1900, 1, 1)


def _date_partial(reading: Reading) -> None:
    """Every part may be missing; a whole date is a real one, from 1900 to yesterday. One code for all."""
    parts = {part: reading.integer(part) for part in PARTS if reading.text(part) is not None}
    plausible = all(parts[part] in PARTS[part] for part in parts)
    if plausible and (len(parts) < len(PARTS) or _is_past(parts, reading.today)):
        reading.values.update(parts)
    else:
        reading.refuse("00363")


def _date_full(reading: Reading) -> None:
    """All three parts, and a real date. Only the first fault is told."""
    parts = {part: reading.integer(part) for part in PARTS}
    if code := _first_fault(parts):
        reading.refuse(code)
    else:
        reading.values.update(parts)


def _is_past(parts: dict[str, int], today: date) -> bool:
    born = _day(parts)
    return born is not None and OLDEST <= born < today


def _first_fault(parts: dict[str, int]) -> str | None:
    for part, code in zip(PARTS, ("00422", "00423", "00424"), strict=True):
        if parts[part] not in PARTS[part]:
            return code
    return None if _day(parts) else "00425"


def _day(parts: dict[str, int]) -> date | None:
    try:
        return date(*(parts[part] for part in PARTS))
    except ValueError:
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


RULES = {
    "date_partial": Rule(read=_date_partial, fields=fields(required=False), codes=("00363",)),
    "date_full": Rule(
        read=_date_full,
        fields=fields(required=True),
        codes=("00422", "00423", "00424", "00425"),
    ),
}

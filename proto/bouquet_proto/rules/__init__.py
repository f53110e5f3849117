"""The contract's validation rules, by name (docs/reference/contract.md §1.5). An operation lists those it uses, in
order.

A rule reads a `Query` under the operation's own parameter names and gives canonical values, or the public codes of what
is wrong. Pure: the day is an argument, always Europe/Paris's. What cannot be read (a list for a text, a line break) is
refused with the code of its field, even by rules that accept any text (docs/contract.md, D15, V6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache

from msgspec import Struct, structs

from bouquet_proto.identity import Identite
from bouquet_proto.query import Query
from bouquet_proto.rules import birth_date, birth_place, civil_status, identifiers, quotient, school, study
from bouquet_proto.rules.reading import Field, Reading, Rule, Values
from bouquet_proto.rules.siret import is_siret

RULES: dict[str, Rule] = (
    civil_status.RULES
    | birth_date.RULES
    | birth_place.RULES
    | quotient.RULES
    | study.RULES
    | school.RULES
    | identifiers.RULES
)


class Check(Struct, frozen=True, omit_defaults=True):
    """One rule in an operation, and the query names of its fields where they are not the usual v3 ones."""

    rule: str
    names: dict[str, str] = {}


class Refusals(Struct, frozen=True):
    codes: tuple[str, ...]


def renamed(checks: Iterable[Check], names: Mapping[str, str]) -> tuple[Check, ...]:
    """The same checks under the query names of another version, by canonical field."""
    return tuple(
        Check(check.rule, {field: names[field] for field in RULES[check.rule].fields if field in names})
        for check in checks
    )


def names_of(check: Check) -> Mapping[str, str]:
    """Canonical field to query name, for every field of the check's rule."""
    return _names(check.rule, tuple(check.names.items()))


@lru_cache(maxsize=4096)
def _names(rule: str, own: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    names = dict(own)
    return {field: names.get(field, known.name) for field, known in RULES[rule].fields.items()}


def apply(stages: tuple[tuple[Check, ...], ...], query: Query, today: date) -> Values | Refusals:
    """Canonical values, or every refusal of the first stage that has some, each code once."""
    values: Values = {}
    for stage in stages:
        codes: list[str] = []
        for check in stage:
            RULES[check.rule].read(Reading(query, names_of(check), today, values, codes))
        if codes:
            return Refusals(tuple(dict.fromkeys(codes)))
    return values


def objections(checks: Iterable[Check], who: Identite, today: date) -> tuple[str, ...]:
    """The codes that the rules refuse somebody with who is known already, and typed nothing."""
    told = structs.asdict(who)
    lists = {"prenoms": told.pop("prenoms")}
    query = Query({field: str(value) for field, value in told.items() if value is not None}, lists)
    canonical = tuple(Check(check.rule, {field: field for field in RULES[check.rule].fields}) for check in checks)
    read = apply((canonical,), query, today)
    return read.codes if isinstance(read, Refusals) else ()


__all__ = [
    "RULES",
    "Check",
    "Field",
    "Refusals",
    "Rule",
    "Values",
    "apply",
    "is_siret",
    "names_of",
    "objections",
    "renamed",
]

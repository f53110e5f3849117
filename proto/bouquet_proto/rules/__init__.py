"""Validation rules of the contract, by name (docs/reference/contract.md §1.5). A rule reads a `Query`, and records
either the values that it accepts or the codes of the faults that it finds."""
# Today's date, in Europe/Paris, is an argument. A malformed value, such as a list instead of a text or one with a line
# break, is refused with the code of its field even by rules that accept any text (docs/contract.md, D15, V6).

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from datetime import date
from functools import cached_property
from typing import Any, TypeAlias

from msgspec import Struct, structs

from bouquet_proto.identity import Identite
from bouquet_proto.query import Query
from bouquet_proto.rules import birth_date, birth_place, civil_status, identifiers, quotient, school, study
from bouquet_proto.rules.rule import Field, Rule, RuleContext, Values
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


SharedResults: TypeAlias = dict[Hashable, Any]
"""Results of validation rules, kept for later queries with the same values."""
# The key holds the rule, the date and the values of the parameters.


class Check(Struct, frozen=True, omit_defaults=True, dict=True):
    """Use of a validation rule by an operation: the rule's name, and the query parameters that the rule reads."""

    rule: str
    names: dict[str, str] = {}
    """Query parameters whose name in this operation differs from the usual one (`Field.name`). Keys are canonical
    fields (the names inside Bouquet), values the parameters' names."""

    @cached_property
    def parameter_names(self) -> Mapping[str, str]:
        """Names of the query parameters that the rule reads, by canonical field (the field's name inside Bouquet)."""
        return {field: self.names.get(field, usual.name) for field, usual in RULES[self.rule].fields.items()}


class RuleViolations(Struct, frozen=True):
    """Public error codes, such as `00367`, of the faults that validation rules have found in a query."""

    codes: tuple[str, ...]


def with_query_names(checks: Iterable[Check], names: Mapping[str, str]) -> tuple[Check, ...]:
    """Returns copies of `checks` that read other query parameters. `names` maps a canonical field (the field's name
    inside Bouquet) to its parameter; a field that `names` lacks keeps its usual parameter (`Field.name`)."""
    return tuple(
        Check(check.rule, {field: names[field] for field in RULES[check.rule].fields if field in names})
        for check in checks
    )


def apply_rules(
    stages: tuple[tuple[Check, ...], ...], query: Query, today: date, shared: SharedResults | None = None
) -> Values | RuleViolations:
    """Applies validation rules to a query, stage by stage, and stops after the first stage that finds faults. Returns
    the public codes of these faults or, without faults, the accepted values by canonical field (the field's name inside
    Bouquet).

    `shared` holds the results of rules for earlier queries, so that no rule is applied twice to the same values. New
    results are added to `shared`.
    """
    values: Values = {}
    for stage in stages:
        codes: list[str] = []
        for check in stage:
            if shared is None:
                _apply(check, query, today, values, codes)
            else:
                accepted, refused = _apply_once(check, query, today, shared)
                values |= accepted
                codes += refused
        if codes:
            return RuleViolations(tuple(dict.fromkeys(codes)))
    return values


def _apply(check: Check, query: Query, today: date, values: Values, codes: list[str]) -> None:
    RULES[check.rule].read(RuleContext(query, check.parameter_names, today, values, codes))


def _apply_once(check: Check, query: Query, today: date, shared: SharedResults) -> tuple[Values, list[str]]:
    """Applies a rule to a query, and returns the accepted values and the error codes. Takes the result from `shared` if
    it is there for the same date and values; otherwise adds the new result."""
    key = (check.rule, today, *map(query.given.get, check.parameter_names.values()))
    result: tuple[Values, list[str]] | None = shared.get(key)
    if result is None:
        result = shared[key] = {}, []
        _apply(check, query, today, *result)
    return result


def refused_codes(checks: Iterable[Check], identity: Identite, today: date) -> tuple[str, ...]:
    """Returns the public codes of the faults that the validation rules `checks` find in an identity from FranceConnect;
    empty if there are none."""
    given = {field: value for field, value in structs.asdict(identity).items() if value is not None}
    query = Query({field: value if isinstance(value, tuple) else str(value) for field, value in given.items()})
    canonical = tuple(Check(check.rule, {field: field for field in RULES[check.rule].fields}) for check in checks)
    read = apply_rules((canonical,), query, today)
    return read.codes if isinstance(read, RuleViolations) else ()


__all__ = [
    "RULES",
    "Check",
    "Field",
    "RuleViolations",
    "Rule",
    "SharedResults",
    "Values",
    "apply_rules",
    "is_siret",
    "refused_codes",
    "with_query_names",
]

"""Commands with which a developer calls a provider's operations, with the lookups of the provider's test cases."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TypeAlias, cast
from urllib.parse import urlencode

from msgspec import structs

from bouquet_proto.identity import Identite
from bouquet_proto.messages import Found, Parameter
from bouquet_proto.offer import Offer, Operation
from bouquet_proto.query import parse_query
from bouquet_proto.rules import RuleViolations, apply_rules
from bouquet_worker.testing.cases import Case
from bouquet_worker.trial_question import (
    RECIPIENT,
    SIMULATED_RECIPIENT,
    QuestionError,
    lookup_for,
    parse_command_line,
    words_for,
)

Pairs: TypeAlias = list[tuple[str, str]]
"""Parameters of a query string as pairs of name and value, not URL-encoded."""


def call_lines(offer: Offer, cases: Iterable[Case], url: str, today: date) -> Iterator[str]:
    """Yields one command for each operation: curl to the gateway `url`, with the token in the shell variable `TOKEN`.
    For identities from FranceConnect, the command is `bouquet-worker try`. If no test case is suitable, yields a
    comment."""
    # Cases with data come first.
    asked = sorted(cases, key=lambda case: not isinstance(case.reply, Found))
    for operation in offer.operations:
        own = [case for case in asked if case.operation == operation.id]
        if operation.by_session:
            lines = (_try_line(offer.provider, operation, case, today) for case in own)
        else:
            lines = (_curl_line(operation, case, url, today) for case in own)
        yield next(filter(None, lines), f"# {operation.id}: no case asks a question that a caller can ask")


def _curl_line(operation: Operation, case: Case, url: str, today: date) -> str:
    if (pairs := query_of(case, operation, today)) is None:
        return ""
    data = " ".join(f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in pairs)
    return f'curl -sG {url}{operation.path} -H "Authorization: Bearer $TOKEN" {data}'


def _try_line(provider: str, operation: Operation, case: Case, today: date) -> str:
    """Returns the command `bouquet-worker try` with the lookup of a test case. Returns "" if the command would refuse
    the lookup, for instance because FranceConnect gives no such identity."""
    names = operation.parameter_names
    own = [pair for field, value in case.parameters.items() for pair in _pairs(names[field], value)]
    words = [*words_for(cast(Identite, case.identity)), *(f"{name}={value}" for name, value in own)]
    try:
        lookup_for(parse_command_line([operation.id, *words]), operation, SIMULATED_RECIPIENT, today)
    except QuestionError:
        return ""
    return shlex.join(["bouquet-worker", "try", provider, operation.id, *words])


def query_of(case: Case, operation: Operation, today: date) -> Pairs | None:
    """Returns the query parameters by which a caller would make the lookup of a test case, `recipient` first. Leaves
    out values that the operation does not read. Returns `None` if the operation's rules would refuse or change a
    value."""
    names = operation.parameter_names
    asked = {**structs.asdict(case.identity), **case.parameters}
    given: dict[str, Parameter] = {
        field: value for field, value in asked.items() if field in names and value not in (None, ())
    }
    pairs = [pair for field, value in given.items() for pair in _pairs(names[field], value)]
    read = apply_rules(operation.checks, parse_query(urlencode(pairs)), today)
    if isinstance(read, RuleViolations) or any(read.get(field) != value for field, value in given.items()):
        return None
    return [(RECIPIENT, SIMULATED_RECIPIENT), *pairs]


def _pairs(name: str, value: Parameter) -> Pairs:
    if isinstance(value, tuple):
        return [(f"{name}[]", item) for item in value]
    return [(name, str(value))]

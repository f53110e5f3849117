"""Curl commands with which a developer calls a provider's operations at a gateway. They are made from the provider's
test cases (questions with the replies that the worker must give)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TypeAlias
from urllib.parse import urlencode

from msgspec import structs

from bouquet_proto.messages import Found, Parameter
from bouquet_proto.offer import Operation
from bouquet_proto.query import parse_query
from bouquet_proto.rules import Refusals, apply_rules
from bouquet_worker.testing.cases import Case
from bouquet_worker.trial_question import RECIPIENT, SIMULATED_RECIPIENT

Pairs: TypeAlias = list[tuple[str, str]]
"""Names and values of a query, not encoded."""


def curl_lines(operations: Iterable[Operation], cases: Iterable[Case], url: str, today: date) -> Iterator[str]:
    """Yields one line for each operation: a curl command that calls the operation with the token in the shell variable
    `TOKEN`, or a comment that says why no command can be made."""
    cases = tuple(cases)
    for operation in operations:
        yield _curl_line(operation, [case for case in cases if case.operation == operation.id], url, today)


def _curl_line(operation: Operation, cases: list[Case], url: str, today: date) -> str:
    if operation.modality == "france_connect":
        return f"# {operation.id}: needs the token of a citizen's FranceConnect session"
    # Cases with data come first.
    for case in sorted(cases, key=lambda case: not isinstance(case.reply, Found)):
        if (pairs := query_of(case, operation, today)) is not None:
            data = " ".join(f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in pairs)
            return f'curl -sG {url}{operation.path} -H "Authorization: Bearer $TOKEN" {data}'
    return f"# {operation.id}: no case asks a question that a query can ask"


def query_of(case: Case, operation: Operation, today: date) -> Pairs | None:
    """Returns the query, with `recipient`, that asks the question of a test case. Leaves out fields that the operation
    does not read. Returns `None` if the operation's rules refuse the query or read other values from it."""
    names = operation.parameter_names
    asked = {**structs.asdict(case.identity), **case.parameters}
    given: dict[str, Parameter] = {
        field: value for field, value in asked.items() if field in names and value not in (None, ())
    }
    pairs = [pair for field, value in given.items() for pair in _pairs(names[field], value)]
    read = apply_rules(operation.checks, parse_query(urlencode(pairs)), today)
    if isinstance(read, Refusals) or any(read.get(field) != value for field, value in given.items()):
        return None
    return [(RECIPIENT, SIMULATED_RECIPIENT), *pairs]


def _pairs(name: str, value: Parameter) -> Pairs:
    if isinstance(value, tuple):
        return [(f"{name}[]", item) for item in value]
    return [(name, str(value))]

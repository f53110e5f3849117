"""Question of `bouquet-worker try`, read from the words of the command line by the rules of the contract."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from bouquet_proto.deadline import Deadline
from bouquet_proto.failures import FAILURES
from bouquet_proto.identity import MODALITIES
from bouquet_proto.messages import Caller, Lookup
from bouquet_proto.offer import Operation
from bouquet_proto.query import parse_query
from bouquet_proto.rules import RULES, Refusals, apply_rules

RECIPIENT = "recipient"
SIMULATED_RECIPIENT = "13002526500013"
"""SIRET of the DINUM, which stands for the administration that asks a simulator."""
PATIENCE_S = 30.0
"""Seconds within which the worker must answer."""


class QuestionError(Exception):
    """Error with one line for each fault of a question, for the developer who asked it."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class Words(Struct, frozen=True):
    """Words of the command line: the id of an operation, or "", and the parameters by name, without `[]`."""

    operation: str
    parameters: Mapping[str, tuple[str, ...]]


def read_words(words: Sequence[str]) -> Words:
    """Reads words such as `identifiant=D-1`, of which the first may be an operation's id. Raises `QuestionError` for a
    word that is neither."""
    operation = words[0] if words and "=" not in words[0] else ""
    given = words[1:] if operation else words
    if faults := [f"{word}: a parameter is name=value" for word in given if "=" not in word]:
        raise QuestionError(faults)
    parameters: dict[str, tuple[str, ...]] = {}
    for name, _, value in (word.partition("=") for word in given):
        name = name.removesuffix("[]")
        parameters[name] = (*parameters.get(name, ()), value)
    return Words(operation, parameters)


def operation_for(words: Words, operations: Sequence[Operation]) -> Operation:
    """Returns the operation with the id of the words or, if they have none, the only operation with parameters of these
    names. Raises `QuestionError` if there is no such operation, or there are several."""
    if words.operation:
        fitting = [operation for operation in operations if operation.id == words.operation]
    elif len(operations) == 1:
        fitting = list(operations)
    else:
        names = words.parameters.keys() - {RECIPIENT}
        fitting = [operation for operation in operations if names <= parameters_of(operation).keys()]
    fitting = [operation for operation in fitting if operation.modality != "france_connect"]
    if len(fitting) == 1:
        return fitting[0]
    wrong = f"{words.operation}: cannot be tried" if words.operation else "name the operation before its parameters"
    candidates = fitting or [operation for operation in operations if operation.modality != "france_connect"]
    raise QuestionError([f"{wrong}; one of {', '.join(operation.id for operation in candidates)}"])


def parameters_of(operation: Operation) -> dict[str, bool]:
    """Returns the names of the query parameters that an operation reads, each with whether it is a list."""
    checks = (check for stage in operation.checks for check in stage)
    return {
        name: RULES[check.rule].fields[field].schema.get("type") == "array"
        for check in checks
        for field, name in check.parameter_names.items()
    }


def query_for(words: Words, operation: Operation) -> list[tuple[str, str]]:
    """Returns the query of the question, without `recipient`. Raises `QuestionError` for unknown parameters."""
    known = parameters_of(operation)
    unknown = sorted(words.parameters.keys() - known.keys() - {RECIPIENT})
    if unknown:
        reads = ", ".join(known)
        raise QuestionError(f"{name}: unknown to {operation.id}, which reads {reads}" for name in unknown)
    given = {name: values for name, values in words.parameters.items() if name != RECIPIENT}
    return [(f"{name}[]" if known[name] else name, value) for name, values in given.items() for value in values]


def lookup_for(words: Words, operation: Operation, recipient: str, today: date) -> Lookup:
    """Returns the question as a worker receives it. Raises `QuestionError` for what the operation's rules refuse."""
    read = apply_rules(operation.checks, parse_query(urlencode(query_for(words, operation))), today)
    if isinstance(read, Refusals):
        raise QuestionError(f"{FAILURES[code].detail} ({code})" for code in read.codes)
    modality = MODALITIES[operation.modality]
    return Lookup(
        id=str(uuid.uuid4()),
        deadline=Deadline.after(PATIENCE_S).at,
        operation=operation.id,
        identity=msgspec.convert(read, modality),
        parameters={name: value for name, value in read.items() if name not in modality.__struct_fields__},
        caller=Caller(recipient=recipient),
    )

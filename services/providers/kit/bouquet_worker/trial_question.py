"""Conversion of a command line of `bouquet-worker try` to a lookup, the message that a worker receives. The parameters
must obey the same rules as in a request to a gateway."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, structs

from bouquet_proto import france_connect_session
from bouquet_proto.deadline import Deadline
from bouquet_proto.failures import FAILURES
from bouquet_proto.identity import MODALITIES, Identite, Identity, public_name
from bouquet_proto.messages import Caller, Lookup
from bouquet_proto.normalisation import normalised_identity
from bouquet_proto.offer import Operation
from bouquet_proto.query import parse_query
from bouquet_proto.rules import RULES, RuleViolations, Values, apply_rules, refused_codes

RECIPIENT = "recipient"
SIMULATED_RECIPIENT = "13002526500013"
"""SIRET of the asking administration (the DINUM) if the command line gives no `recipient`."""
CITIZEN_PARAMETERS = {field: public_name(field) for field in Identite.__struct_fields__}
"""Maps the fields of a FranceConnect citizen's `Identite` to parameters of the command line, such as `nomNaissance`."""
# Gateways read no such parameters: they ask FranceConnect.
PATIENCE_S = 30.0
"""Seconds that a worker has to answer the lookup of `bouquet-worker try`."""


class QuestionError(Exception):
    """Error for a command line that cannot be converted to a lookup, or for a lookup that cannot be sent or recorded.
    The text has one line for each fault."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class CommandLine(Struct, frozen=True):
    """Parsed command line of `bouquet-worker try`. `operation` is the operation's id, or "" if none is given.
    `parameters` holds the values of each parameter, by name without `[]`."""

    operation: str
    parameters: Mapping[str, tuple[str, ...]]


def parse_command_line(words: Sequence[str]) -> CommandLine:
    """Parses the words of a command line, such as `identifiant=D-1`. The first word may be an operation's id. Raises
    `QuestionError` for any other word without `=`."""
    operation = words[0] if words and "=" not in words[0] else ""
    given = words[1:] if operation else words
    if faults := [f"{word}: a parameter is name=value" for word in given if "=" not in word]:
        raise QuestionError(faults)
    parameters: dict[str, tuple[str, ...]] = {}
    for name, _, value in (word.partition("=") for word in given):
        name = name.removesuffix("[]")
        parameters[name] = (*parameters.get(name, ()), value)
    return CommandLine(operation, parameters)


def operation_for(command: CommandLine, operations: Sequence[Operation]) -> Operation:
    """Returns the operation that a parsed command line asks for. If the command line names no operation, returns the
    only operation that reads all given parameters. Raises `QuestionError` if not exactly one operation fits."""
    # A worker's only operation fits in any case. Operations by FranceConnect must be named if there are others.
    if command.operation:
        fitting = [operation for operation in operations if operation.id == command.operation]
    elif len(operations) == 1:
        fitting = list(operations)
    else:
        names = command.parameters.keys() - {RECIPIENT}
        queried = [operation for operation in operations if not operation.by_session]
        fitting = [operation for operation in queried if names <= parameters_of(operation).keys()]
    if len(fitting) == 1:
        return fitting[0]
    wrong = f"{command.operation}: not offered" if command.operation else "name the operation before its parameters"
    raise QuestionError([f"{wrong}; one of {', '.join(operation.id for operation in fitting or operations)}"])


def parameters_of(operation: Operation) -> dict[str, bool]:
    """Returns the query parameters that an operation reads, by name. The value is `True` for a parameter that is a
    list."""
    checks = (check for stage in operation.checks for check in stage)
    return {
        name: RULES[check.rule].fields[field].schema.get("type") == "array"
        for check in checks
        for field, name in check.parameter_names.items()
    }


def query_for(command: CommandLine, operation: Operation) -> list[tuple[str, str]]:
    """Converts a parsed command line to names and values of a query string. Keeps the parameters that the operation's
    rules read. Leaves out `recipient` and the parameters that describe a FranceConnect citizen. Raises `QuestionError`
    for any other parameter."""
    known = parameters_of(operation)
    others = {RECIPIENT, *(CITIZEN_PARAMETERS.values() if operation.by_session else ())}
    if unknown := sorted(command.parameters.keys() - known.keys() - others):
        reads = ", ".join([*known, *sorted(others - {RECIPIENT})])
        raise QuestionError(f"{name}: unknown to {operation.id}, which reads {reads}" for name in unknown)
    given = {name: values for name, values in command.parameters.items() if name in known}
    return [(f"{name}[]" if known[name] else name, value) for name, values in given.items() for value in values]


def lookup_for(command: CommandLine, operation: Operation, recipient: str, today: date) -> Lookup:
    """Converts a parsed command line to the lookup that a worker receives. `recipient` is the SIRET of the asking
    administration. Raises `QuestionError` for an unknown parameter, or a value that the operation's rules refuse."""
    read = apply_rules(operation.checks, parse_query(urlencode(query_for(command, operation))), today)
    if isinstance(read, RuleViolations):
        raise _refused(read.codes)
    identity = _identity_of(command, operation, read, today)
    return Lookup(
        id=str(uuid.uuid4()),
        deadline=Deadline.after(PATIENCE_S).at,
        operation=operation.id,
        identity=identity,
        parameters={name: value for name, value in read.items() if name not in identity.__struct_fields__},
        caller=Caller(recipient=recipient),
    )


def _identity_of(command: CommandLine, operation: Operation, read: Values, today: date) -> Identity:
    """Returns the identity of the person whom a command line describes. `read` holds the values that the operation's
    rules have accepted. Raises `QuestionError` for an identity that FranceConnect could not give or the operation
    refuses."""
    # The parameters in `CITIZEN_PARAMETERS` stand for the identity that FranceConnect would give.
    if not operation.by_session:
        return msgspec.convert(read, MODALITIES[operation.modality])
    given = {
        field: command.parameters[name] for field, name in CITIZEN_PARAMETERS.items() if name in command.parameters
    }
    values = {field: texts if field == "prenoms" else texts[-1] for field, texts in given.items()}
    try:
        citizen = normalised_identity(msgspec.convert(values, Identite, strict=False))
    except msgspec.ValidationError as error:
        raise QuestionError([f"the citizen: {error}"]) from None
    checks = (*france_connect_session.CHECKS, *operation.pivot, *operation.identity_checks)
    if codes := refused_codes(checks, citizen, today):
        raise _refused(codes)
    return citizen


def _refused(codes: Iterable[str]) -> QuestionError:
    return QuestionError(f"{FAILURES[code].detail} ({code})" for code in codes)


def words_for(identity: Identite) -> list[str]:
    """Returns the words of a command line (`name=value`) that describe the citizen of a FranceConnect session."""
    given = {CITIZEN_PARAMETERS[field]: value for field, value in structs.asdict(identity).items() if value is not None}
    return [f"{name}={one}" for name, value in given.items() for one in (value if name == "prenoms" else (value,))]

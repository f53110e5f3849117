"""Input form of the console, the page on which visitors call the sandbox. The form is made from the parameters of an
operation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from django.http import QueryDict
from msgspec import Struct

from bouquet_portal.bac_a_sable.cases import CallParameters
from bouquet_portal.documents.model import Operation, Parameter

MIN_INPUTS = 3
"""Smallest number of input boxes in the form for a parameter that accepts several values, such as `prenoms[]`."""
MAX_VALUES = 20
MAX_LENGTH = 255
"""Largest length of a parameter's value, in characters. The form shortens longer values."""
# The gateway has the same limit.
ORDER = (
    "recipient",
    "nomNaissance",
    "nomUsage",
    "prenoms[]",
    "sexeEtatCivil",
    "jourDateNaissance",
    "moisDateNaissance",
    "anneeDateNaissance",
    "codeCogInseePaysNaissance",
    "codeCogInseeCommuneNaissance",
    "nomCommuneNaissance",
    "codeCogInseeDepartementNaissance",
)
"""Parameters that the form shows first, in this order. The others follow as in the OpenAPI document."""
RARE_PARAMETERS = ("delegation_id",)
"""Parameters that most callers never send. The form shows them apart from the others."""


class Input(Struct, frozen=True):
    """Input for one parameter of an operation, with the values that the visitor has entered."""

    parameter: Parameter
    values: tuple[str, ...]
    faults: tuple[str, ...] = ()
    """Texts of the errors about this parameter in the gateway's answer."""

    @property
    def id(self) -> str:
        return f"p-{self.parameter.name.removesuffix('[]')}"

    @property
    def first_id(self) -> str:
        """HTML id of the parameter's input box, or of the first box if the parameter is a list."""
        # A link in the summary of errors leads to the box.
        return f"{self.id}-1" if self.is_list else self.id

    @property
    def is_list(self) -> bool:
        return self.parameter.name.endswith("[]")

    @property
    def is_rare(self) -> bool:
        return self.parameter.name in RARE_PARAMETERS


def inputs(operation: Operation, asked: Mapping[str, Any], faults: Mapping[str, list[str]]) -> Iterator[Input]:
    """Yields the inputs of an operation's form, each with its value in `asked` and its error texts in `faults`."""
    for parameter in parameters(operation):
        given = asked.get(parameter.name, ())
        values = (given,) if isinstance(given, str) else tuple(given)
        if parameter.name.endswith("[]"):
            values += ("",) * max(1, MIN_INPUTS - len(values))
        yield Input(parameter, values or ("",), tuple(faults.get(parameter.name, ())))


def parameters(operation: Operation) -> Iterator[Parameter]:
    of_query = [parameter for parameter in operation.parameters if parameter.location == "query"]
    return iter(sorted(of_query, key=lambda one: ORDER.index(one.name) if one.name in ORDER else len(ORDER)))


def asked_by(operation: Operation, sent: QueryDict) -> CallParameters:
    """Returns the values that a visitor has entered in the form for the operation's parameters. Leaves out blank
    values."""
    asked: CallParameters = {}
    for parameter in parameters(operation):
        values = tuple(one[:MAX_LENGTH] for one in sent.getlist(parameter.name)[:MAX_VALUES] if one.strip())
        if parameter.name.endswith("[]"):
            if values:
                asked[parameter.name] = values
        elif values:
            asked[parameter.name] = values[0]
    return asked


def with_recipient(operation: Operation, asked: CallParameters) -> CallParameters:
    """Returns the parameters `asked`. Adds an example `recipient` (the administration that asks) if it is missing."""
    # An operation without this parameter, or without an example of it, gets none.
    examples = {
        parameter.name: str(parameter.example)
        for parameter in parameters(operation)
        if parameter.name == "recipient" and parameter.example is not None
    }
    return examples | asked


def faults_by_parameter(operation: Operation, body: Any, asked: Collection[str]) -> dict[str, list[str]]:
    """Returns the texts of the errors in an answer, by the name of the parameter that is wrong. Other errors have the
    key "". `asked` are the names of the parameters in the call."""
    found: dict[str, list[str]] = {}
    errors = body.get("errors", ()) if isinstance(body, dict) else ()
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            name = _parameter_at_fault(operation, error, asked)
            found.setdefault(name, []).append(f"{error.get('detail', '')} ({error.get('code', '')})")
    return found


def _parameter_at_fault(operation: Operation, error: Mapping[str, Any], asked: Collection[str]) -> str:
    """Returns the name of the parameter that an error is about, or "" for none. If the error's code belongs to several
    parameters, returns the first that is missing in the call. `asked` are the names of the parameters in the call."""
    # Several parameters may share a code.
    source = error.get("source") or {}
    code = error.get("code", "")
    candidates = [
        parameter.name
        for parameter in parameters(operation)
        if parameter.name.removesuffix("[]") == source.get("parameter") or code in parameter.codes
    ]
    return next((name for name in candidates if name not in asked), next(iter(candidates), ""))


def relevant_scopes(operation: Operation) -> tuple[str, ...]:
    """Returns the scopes that give access to an operation or to one of its fields."""
    of_fields: Iterable[str] = (
        part for field in operation.all_fields() for one in field.scopes for part in one.split("&")
    )
    return tuple(dict.fromkeys((*operation.scopes, *of_fields)))

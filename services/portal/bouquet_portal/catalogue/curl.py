"""Curl commands that call an operation with the example values of its parameters, as the gateway's OpenAPI document
gives them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from bouquet_portal.documents.model import Operation, Parameter

ALWAYS = ("recipient", "prenoms[]", "anneeDateNaissance", "moisDateNaissance", "jourDateNaissance")
"""Parameters that each example of a curl command contains even if they are optional, since most callers send them."""


def command(operation: Operation, gateway_url: str) -> str:
    """Returns a curl command that calls an operation. The command takes the token from the shell variable `JETON`."""
    header, prefix = operation.credential
    called = f"curl -sG {shlex.quote(gateway_url + operation.path)}"
    parts = [called, f'-H "{header}: {prefix}$JETON"', *_arguments(operation)]
    return " \\\n  ".join(parts)


def _arguments(operation: Operation) -> Iterator[str]:
    for parameter in operation.parameters:
        if parameter.location == "query" and (parameter.is_required or parameter.name in ALWAYS):
            for value in _values(parameter):
                yield f"--data-urlencode {shlex.quote(f'{parameter.name}={value}')}"


def _values(parameter: Parameter) -> list[str]:
    example = parameter.example
    if example is None:
        example = parameter.choices[0] if parameter.choices else "…"
    return [str(one) for one in example] if isinstance(example, list) else [str(example)]

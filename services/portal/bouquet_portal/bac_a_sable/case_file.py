"""Text of a case file, which describes a case of the sandbox (a call and its answer), as a starting point for the
author of a new case."""

from __future__ import annotations

import json
from typing import Any

import yaml

from bouquet_portal.bac_a_sable.cases import Case
from bouquet_portal.documents.model import Operation

EXAMPLES: dict[str, Any] = {"objet": {}, "nombre entier": 0, "nombre": 0, "vrai ou faux": False}
LEFT_OUT = ("recipient", "delegation_id")
"""Parameters that a call requires, but a case file does not contain."""


def of_case(case: Case) -> str:
    """Returns the text of a case file with the call and the answer of `case`."""
    params = {
        name.removesuffix("[]"): list(value) if isinstance(value, tuple) else value
        for name, value in case.parameters.items()
    }
    return _text(case.description, case.person, case.family, params, case.status, case.payload)


def for_operation(operation: Operation) -> str:
    """Returns the text of a case file with an operation's required parameters and an empty answer."""
    params = {
        parameter.name.removesuffix("[]"): _example(parameter.name, parameter.example)
        for parameter in operation.parameters
        if parameter.location == "query" and parameter.is_required and parameter.name not in LEFT_OUT
    }
    payload: dict[str, Any] = {"data": {}, "links": {}, "meta": {}} if operation.version != "v2" else {}
    return _text("Ce que montre le cas, en une ligne", "", "", params, 200, payload)


def _example(name: str, example: Any) -> Any:
    value = "à compléter" if example is None else example
    return value if isinstance(value, list) or not name.endswith("[]") else [value]


def _text(description: str, person: str, family: str, params: dict[str, Any], status: int, payload: Any) -> str:
    head = {"description": description, "person": person, "family": family}
    top = yaml.safe_dump({name: text for name, text in head.items() if text}, **_STYLE)
    middle = yaml.safe_dump({"params": params, "status": status}, **_STYLE)
    body = "\n".join(f"  {line}" for line in json.dumps(payload, indent=2, ensure_ascii=False).splitlines())
    return f"{top}{middle}payload: |-\n{body}\n"


_STYLE: dict[str, Any] = {"allow_unicode": True, "sort_keys": False, "width": 1000}

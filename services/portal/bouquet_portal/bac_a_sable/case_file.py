"""Text of a case file, which describes a case: a call about an invented person, and the recorded answer. The text is
what the author of a new case begins with, or what a filled form describes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from bouquet_portal.bac_a_sable.cases import Asked, Case
from bouquet_portal.documents.model import Operation

LEFT_OUT = ("recipient", "delegation_id")
"""Parameters of a call that a case file does not contain."""


class Computed(Struct, frozen=True):
    """Number in an answer's data that the sandbox computes on the day of a call. `text` is its placeholder in a case
    file, such as `{annee-1}` for last year."""

    text: str


class Head(Struct, frozen=True):
    """Beginning of a case file (a recorded answer about an invented person): description, person and family. An empty
    text is left out of the file."""

    description: str = ""
    person: str = ""
    family: str = ""


def of_case(case: Case) -> str:
    """Returns the text of a case file that describes `case`: the call and its recorded answer."""
    return text_of(Head(case.description, case.person, case.family), case.parameters, case.status, case.payload)


def for_operation(operation: Operation) -> str:
    """Returns the text of a case file with the required parameters of an operation and an empty answer. `operation`
    must have the parameters that its case files contain (`with_own_parameters`)."""
    asked: Asked = {
        one.name: _example(one.name, one.example)
        for one in operation.parameters
        if one.location == "query" and one.is_required
    }
    return text_of(Head("Ce que montre le cas, en une ligne"), asked, 200, payload_of(operation, {}))


def with_own_parameters(operation: Operation, operations: Iterable[Operation]) -> Operation:
    """Returns an operation whose parameters are those that its case files contain, instead of those of a call. For
    FranceConnect, they include the parameters of the same API by civil status, which describe the citizen."""
    by_name = (
        one
        for one in operations
        if operation.is_by_session and one.modality == "identite"
        if (one.version, one.resource) == (operation.version, operation.resource)
    )
    found = {one.name: one for each in (operation, *by_name) for one in each.parameters}
    kept = tuple(one for one in found.values() if one.name not in LEFT_OUT)
    return msgspec.structs.replace(operation, parameters=kept)


def payload_of(operation: Operation, data: Any) -> Any:
    """Returns the body of an answer with `data`."""
    return {"data": data, "links": {}, "meta": {}} if operation.version != "v2" else data


def text_of(head: Head, asked: Asked, status: int, payload: Any) -> str:
    """Returns the text of a case file: `head` (description, person and family), a call with the parameters `asked`, and
    the recorded answer."""
    about = {name: text for name, text in msgspec.structs.asdict(head).items() if text}
    params = {
        name.removesuffix("[]"): list(value) if isinstance(value, tuple) else value for name, value in asked.items()
    }
    top = yaml.safe_dump(about, **_STYLE) if about else ""
    middle = yaml.safe_dump({"params": params, "status": status}, **_STYLE)
    written = json.dumps(payload, indent=2, ensure_ascii=False, default=_marked)
    body = "\n".join(f"  {line}" for line in _MARKED.sub(r"\1", written).splitlines())
    return f"{top}{middle}payload: |-\n{body}\n"


def _example(name: str, example: Any) -> Any:
    value = "à compléter" if example is None else example
    if name.endswith("[]"):
        return tuple(value) if isinstance(value, list) else (value,)
    return value


def _marked(value: Computed) -> str:
    return f"\0{value.text}"


_MARKED = re.compile(r'"\\u0000(\{[^"]*\})"')
"""Pattern of a computed number in the JSON of an answer, where it is a marked text in quotes. In a case file, the
number is a placeholder without quotes."""
_STYLE: dict[str, Any] = {"allow_unicode": True, "sort_keys": False, "width": 1000}

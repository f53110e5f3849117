"""Writing of case files: YAML texts, each with a call about an invented person and the sandbox's answer to it."""
# The portal writes them from a test case or a filled form, or as a draft for an author.

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from bouquet_portal.bac_a_sable.cases import CallParameters, Case
from bouquet_portal.documents.model import Operation

LEFT_OUT_PARAMETERS = ("recipient", "delegation_id")
"""Parameters that a test case file never contains. Both concern the caller, not the person."""


class Computed(Struct, frozen=True):
    """Placeholder in a test case file for a number that the sandbox computes on the day of a call. `text` is, for
    example, `{annee-1}` for last year."""

    text: str


class Head(Struct, frozen=True):
    """Top of a test case file: its description, and the names of the invented person and family. Empty texts are left
    out of the file."""

    description: str = ""
    person: str = ""
    family: str = ""


def of_case(case: Case) -> str:
    """Returns the text of a case file that describes `case`: the call and its recorded answer."""
    return text_of(Head(case.description, case.person, case.family), case.parameters, case.status, case.payload)


def for_operation(operation: Operation) -> str:
    """Returns a draft of a case file: the operation's required parameters with example values, and an empty answer.
    `operation` must come from `with_own_parameters`."""
    asked: CallParameters = {
        one.name: _example(one.name, one.example)
        for one in operation.parameters
        if one.location == "query" and one.is_required
    }
    return text_of(Head("Ce que montre le cas, en une ligne"), asked, 200, payload_of(operation, {}))


def with_own_parameters(operation: Operation, operations: Iterable[Operation]) -> Operation:
    """Returns the operation with only the parameters that its case files may contain. An operation for FranceConnect
    sessions also gets the parameters of the civil status, from another of `operations`."""
    # Such an operation has no parameters of its own about the person.
    by_name = (
        one
        for one in operations
        if operation.is_by_session and one.modality == "identite"
        if (one.version, one.resource) == (operation.version, operation.resource)
    )
    found = {one.name: one for each in (operation, *by_name) for one in each.parameters}
    kept = tuple(one for one in found.values() if one.name not in LEFT_OUT_PARAMETERS)
    return msgspec.structs.replace(operation, parameters=kept)


def payload_of(operation: Operation, data: Any, meta: Any = None) -> Any:
    """Returns the body of an answer: in version 2, `data` itself; from version 3 on, an object with `data`, `links` and
    `meta`."""
    return {"data": data, "links": {}, "meta": meta or {}} if operation.version != "v2" else data


def text_of(head: Head, asked: CallParameters, status: int, payload: Any) -> str:
    """Returns the text of a case file with `head` at its top. In the file, a call with the parameters `asked` gets
    `payload` with this HTTP status."""
    about = {name: text for name, text in msgspec.structs.asdict(head).items() if text}
    params = {
        name.removesuffix("[]"): list(value) if isinstance(value, tuple) else value for name, value in asked.items()
    }
    top = _as_yaml(about) if about else ""
    middle = _as_yaml({"params": params, "status": status})
    body = "\n".join(f"  {line}" for line in _as_json(payload).split("\n"))
    return f"{top}{middle}payload: |-\n{body}\n"


def _example(name: str, example: Any) -> Any:
    value = "à compléter" if example is None else example
    if name.endswith("[]"):
        return tuple(value) if isinstance(value, list) else (value,)
    return value


def _as_yaml(value: dict[str, Any]) -> str:
    style: dict[str, Any] = {"sort_keys": False, "width": 1000}
    written: str = yaml.safe_dump(value, allow_unicode=True, **style)
    escaped: str = yaml.safe_dump(value, **style)
    return escaped if _UNSAFE.search(written) else written


def _as_json(value: Any) -> str:
    """Returns the JSON of an answer. Where a number is `Computed`, the JSON has its placeholder, such as `{annee-1}`,
    without quotes."""
    # Marked with what no visitor can have written.
    mark = secrets.token_hex(16)
    written = json.dumps(value, indent=2, ensure_ascii=False, default=lambda computed: f"{mark}{computed.text}")
    placed = re.sub(rf'"{mark}([^"]*)"', r"\1", written)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", placed)


_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufffe\uffff]")
"""Pattern of characters that YAML takes for line breaks or refuses, but JSON leaves as they are."""

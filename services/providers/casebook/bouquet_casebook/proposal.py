"""Check of a case file (a recorded answer of the sandbox) that an author proposes to add. Each fault found names its
line in the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date

import yaml

from bouquet_casebook.cases import Case, CaseError, Fault, composed, dated, parse_case
from bouquet_casebook.check import Checker
from bouquet_casebook.listing import listed
from bouquet_casebook.matching import signature_of_case
from bouquet_casebook.sessions import FOLDER
from bouquet_proto.sandbox_messages import CaseFault, CaseReport

PROPOSED_FILE_NAME = "proposition.yaml"
"""Name given to a proposed case file while it is checked, since its author has not necessarily chosen one yet."""


def report_on(text: str, folder: str, checker: Checker, others: Sequence[Case], today: date) -> CaseReport:
    """Checks `text`, a case file proposed for `folder`. Returns its faults, and the test case if the file can be read.
    `others` are the test cases that the folder already holds."""
    try:
        case = parse_case(PROPOSED_FILE_NAME, text, today)
    except CaseError as error:
        return CaseReport(faults=tuple(_with_lines(error.faults, text, today)))
    own = signature_of_case(case.params)
    same = sum(signature_of_case(other.params) == own for other in others)
    faults = tuple(_with_lines(list(checker.faults(folder, case, same)), text, today))
    recorded = None if folder == FOLDER else listed(case, checker.operations_by_folder[folder])
    return CaseReport(faults=faults, case=recorded)


def _with_lines(faults: Sequence[Fault], text: str, today: date) -> Iterator[CaseFault]:
    root: yaml.Node | None = None
    with suppress(CaseError, yaml.YAMLError, ValueError):
        root = composed(dated(text, today))
    for fault in faults:
        line = fault.line or (_line_of(root, fault.at) if root is not None and fault.at else 0)
        yield CaseFault(message=fault.text, path=_path_text(fault.at), line=line)


def _path_text(at: tuple[str | int, ...]) -> str:
    """Returns the keys and indexes of a place in a file as one text, such as `payload.data.enfants[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at).lstrip(".")


def _line_of(root: yaml.Node, at: Sequence[str | int]) -> int:
    """Returns the line, from 1, at which a place of a YAML document begins. If a key or an index is missing, returns
    the line of the mapping or list that should contain it."""
    key, *inner = at
    found = _member(root, key)
    if found is None:
        return int(root.start_mark.line) + 1
    line, node = found
    if key == "payload" and isinstance(node, yaml.ScalarNode):
        return _line_in_payload(node, inner)
    return _line_of(node, inner) if inner and isinstance(node, yaml.CollectionNode) else line


def _member(node: yaml.Node, key: str | int) -> tuple[int, yaml.Node] | None:
    """Returns the line (from 1) and the value that a YAML node has under a key or an index. Returns `None` if the node
    has no such member."""
    if isinstance(node, yaml.MappingNode):
        return next(((name.start_mark.line + 1, one) for name, one in node.value if name.value == key), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None


def _line_in_payload(payload: yaml.ScalarNode, at: Sequence[str | int]) -> int:
    """Returns the line of the case file, from 1, at which a place in the payload's JSON begins. For invalid JSON,
    returns the line of the error; for an unknown place, the first line of the payload."""
    first = int(payload.start_mark.line) + 1
    if payload.style not in ("|", ">"):  # the text is on one line
        return first
    try:
        json.loads(payload.value)
    except json.JSONDecodeError as error:
        return first + error.lineno
    except RecursionError:
        return first
    if not at:
        return first
    with suppress(CaseError, yaml.YAMLError):  # JSON is YAML, but for some spaces and signs
        root = composed(payload.value)
        if root is not None:
            return first + _line_of(root, at)
    return first

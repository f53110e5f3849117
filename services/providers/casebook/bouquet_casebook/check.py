"""Checks of `bouquet-worker check-cases`, which finds case files that are wrong or unreachable. A case is reachable
if a question with its parameters is answered from it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema
import msgspec
from msgspec import Struct

from bouquet_casebook.cases import DEFAULT, Case, CaseError, read_folder
from bouquet_casebook.matching import CaseKeys, Signature, case_keys_of, signature_of_case, signature_of_question
from bouquet_casebook.sessions import FOLDER, session_of
from bouquet_casebook.version_2 import ServedVersion2, answered_from_successors
from bouquet_proto.france_connect_session import Session
from bouquet_proto.identity import MODALITIES, Identity
from bouquet_proto.messages import Lookup
from bouquet_proto.offer import Offer, Operation
from bouquet_proto.query import parse_query
from bouquet_proto.rules import Refusals, Values, apply_rules
from bouquet_worker import PublishedOperation
from bouquet_worker.worker import paris_today


class Finding(Struct, frozen=True):
    """Fault of a case file, or of the folder if `file` is empty."""

    folder: str
    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.file}: {self.problem}"


class Report(Struct, frozen=True):
    """Findings of a check, with the number of folders and cases checked."""

    folders: int
    cases: int
    findings: tuple[Finding, ...]


class Reached(Struct, frozen=True):
    """Result of calling an operation with a case's parameters. `signature` holds the normalised parameters by which the
    sandbox looks for a case; `obstacle` tells why the operation refuses the call, or is empty."""

    signature: Signature = ()
    obstacle: str = ""


class Askable(Struct, frozen=True):
    """Operation that `check` tries to call with the parameters of each case in the operation's folder."""

    # Operations of version 2 that have the same path share one folder of cases.

    operation: Operation
    case_keys: CaseKeys
    sessions: tuple[Session, ...]
    today: date


def check(
    root: Path,
    offers: Iterable[Offer],
    published: Mapping[str, PublishedOperation[Any]],
    today: date | None = None,
) -> Report:
    """Returns the faults of the case files below `root`.

    Args:
        root: Folder with a folder for each operation.
        offers: Offers of the workers that the sandbox replaces.
        published: Operations of these workers by id, each with the function that renders a result in the
            operation's version.
        today: Date to which cases and rules are relative; the current date by default.
    """
    today = today or paris_today()
    sessions = tuple(_sessions(root, today))
    operations = {one.id: one for offer in offers for one in offer.operations}
    ways = _ways_by_folder(operations, sessions, today)
    version_2: dict[str, list[ServedVersion2]] = defaultdict(list)
    for name, one in answered_from_successors(operations, published).items():
        if not read_folder(root / operations[name].folder, today).cases:
            version_2[one.successor.folder].append(one)
    findings: list[Finding] = []
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    cases = 0
    for path in folders:
        folder = read_folder(path, today)
        cases += len(folder.cases)
        findings += [Finding(path.name, name, f"cannot be read: {error}") for name, error in folder.errors]
        if path.name == FOLDER:
            findings += _unreadable_sessions(folder.cases)
        elif path.name not in ways:
            findings.append(Finding(path.name, "", "no operation of this name is offered"))
        else:
            findings += _check_folder(folder.cases, ways[path.name], version_2[path.name])
    return Report(len(folders), cases, tuple(findings))


def _ways_by_folder(
    operations: Mapping[str, Operation], sessions: tuple[Session, ...], today: date
) -> dict[str, list[Askable]]:
    ways: dict[str, list[Askable]] = defaultdict(list)
    for operation in operations.values():
        ways[operation.folder].append(Askable(operation, case_keys_of(operation, operations), sessions, today))
    return dict(ways)


def _check_folder(cases: tuple[Case, ...], ways: list[Askable], version_2: list[ServedVersion2]) -> Iterator[Finding]:
    operation = ways[0].operation
    signatures = Counter(signature_of_case(case.params) for case in cases)
    for case in cases:
        own = signature_of_case(case.params)
        problems = [
            _unreachable(case, own, ways),
            f"has the same parameters as {signatures[own] - 1} other" if signatures[own] > 1 else "",
            schema_violation(case, operation) or _unfit_for_version_2(case, version_2),
        ]
        yield from (Finding(operation.folder, case.name, problem) for problem in problems if problem)


def _unreachable(case: Case, own: Signature, ways: list[Askable]) -> str:
    """Returns a text that tells why no call is answered from the case, or "" if some call is."""
    if case.name == DEFAULT or any(reach == Reached(own) for asked in ways for reach in _reaches(case, asked)):
        return ""
    asked = max(ways, key=lambda asked: len(asked.case_keys.keys.keys() & case.params.keys()))
    reaches = list(_reaches(case, asked))
    if not reaches:
        return "unreachable with any fake token: none has a scope of the operation"
    nearest = max(reaches, key=lambda reach: len(set(reach.signature) & set(own)))
    by_token = " with any fake token" if asked.operation.modality == "france_connect" else ""
    return f"unreachable{by_token}: {nearest.obstacle or _difference(own, nearest.signature)}"


def _reaches(case: Case, asked: Askable) -> Iterator[Reached]:
    operation = asked.operation
    values = apply_rules(operation.checks, parse_query(_query(case.params)), asked.today)
    if isinstance(values, Refusals):
        yield Reached(obstacle=f"its parameters are refused ({', '.join(values.codes)})")
    elif operation.modality == "france_connect":
        allowed = (session for session in asked.sessions if set(session.scopes) & set(operation.scopes))
        yield from (Reached(_signature(asked, session.identity, values)) for session in allowed)
    else:
        modality = MODALITIES[operation.modality]
        own = {name: values.pop(name) for name in modality.__struct_fields__ if name in values}
        yield Reached(_signature(asked, msgspec.convert(own, modality), values))


def _signature(asked: Askable, identity: Identity, values: Values) -> Signature:
    lookup = Lookup(id="", deadline=0, operation=asked.operation.id, identity=identity, parameters=values)
    return signature_of_question(asked.case_keys, lookup)


def _query(params: Mapping[str, Any]) -> str:
    pairs = [
        (f"{name}[]" if isinstance(value, list) else name, item)
        for name, value in params.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return urlencode([(name, "" if item is None else str(item)) for name, item in pairs])


def _difference(own: Signature, reached: Signature) -> str:
    """Returns a text that names the parameters in which a case (`own`) and a call (`reached`) differ."""
    wanted, had = dict(own), dict(reached)
    words = {
        "a call never has": wanted.keys() - had.keys(),
        "the nearest call has another": {name for name in wanted.keys() & had.keys() if wanted[name] != had[name]},
        "a call also has": had.keys() - wanted.keys(),
    }
    return "; ".join(f"{phrase} {', '.join(sorted(names))}" for phrase, names in words.items() if names)


def schema_violation(case: Case, operation: Operation) -> str:
    """Returns a text that says where a case's payload violates the schema, or "". The text never contains the value."""
    # The value may be a real person's. For a case with a status other than 200, the text says that the payload is not
    # an error body.
    payload = msgspec.json.decode(case.payload)
    if case.status != 200:
        return "" if _is_error(payload) else "is not an error body"
    versioned = operation.path.startswith("/v")
    data = payload.get("data") if versioned and isinstance(payload, dict) else payload
    schema = _whole(operation.schema) if versioned else operation.schema
    errors = jsonschema.Draft202012Validator(schema).iter_errors(data)
    worst = jsonschema.exceptions.best_match(errors)
    return f"does not fit the schema at {worst.json_path} ({worst.validator})" if worst else ""


def _unfit_for_version_2(case: Case, version_2: list[ServedVersion2]) -> str:
    """Returns a text with the path of a value in the case's payload that version 2 cannot show, or "" if there is
    none."""
    # A schema accepts `1.0` as an integer, which the conversion to the worker's result does not.

    for one in version_2 if case.status == 200 else ():
        try:
            one.body(case.payload, {})
        except msgspec.ValidationError as error:
            _, at, path = str(error).rpartition(" - at ")
            return f"cannot be shown in version 2 at {path.strip('`') if at else '$'}"
    return ""


def _whole(node: Any) -> Any:
    """Returns a copy of the schema in which fields that need a scope are required too."""
    # A case must have these fields, since it must hold the data for a caller with every scope.
    match node:
        case {"properties": dict() as properties}:
            opened = [name for name, schema in properties.items() if "x-scopes" in schema]
            members = {name: _whole(schema) for name, schema in properties.items()}
            return node | {"properties": members, "required": [*node.get("required", []), *opened]}
        case dict():
            return {key: _whole(value) for key, value in node.items()}
        case list():
            return [_whole(item) for item in node]
        case _:
            return node


def _is_error(payload: Any) -> bool:
    match payload:
        case {"errors": [*errors]}:
            return bool(errors)
        case {"error": str(), "reason": str(), "message": str()}:
            return True
        case _:
            return False


def _sessions(root: Path, today: date) -> Iterator[Session]:
    for case in read_folder(root / FOLDER, today).cases:
        try:
            yield session_of(case)
        except CaseError:
            continue


def _unreadable_sessions(cases: Iterable[Case]) -> Iterator[Finding]:
    for case in cases:
        try:
            session_of(case)
        except CaseError as error:
            yield Finding(FOLDER, case.name, str(error))

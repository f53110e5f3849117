"""Tells a contributor what is wrong with case files before a caller wonders why they never answer.

A case is reachable when asking with its own parameters leads back to it: they pass the operation's rules, and the
question that they make is written like the case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema
import msgspec
from msgspec import Struct

from bouquet_casebook.cases import DEFAULT, Case, CaseError, read_folder
from bouquet_casebook.matching import Signature, checks_of, signature_of_case, signature_of_question
from bouquet_casebook.sessions import FOLDER, session_of
from bouquet_proto.identity import MODALITIES, Identity
from bouquet_proto.messages import Lookup
from bouquet_proto.offer import Offer, Operation
from bouquet_proto.query import parse_query
from bouquet_proto.rules import Check, Refusals, Values, apply
from bouquet_proto.session import Session
from bouquet_worker.worker import paris_today


class Finding(Struct, frozen=True):
    folder: str
    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.file}: {self.problem}"


class Report(Struct, frozen=True):
    folders: int
    cases: int
    findings: tuple[Finding, ...]


class Reach(Struct, frozen=True):
    """Where the parameters of a case lead: a signature, or why nowhere."""

    signature: Signature = ()
    obstacle: str = ""


class Asked(Struct, frozen=True):
    """How the cases of one folder are asked for."""

    operation: Operation
    checks: tuple[Check, ...]
    sessions: tuple[Session, ...]
    today: date


def check(root: Path, offers: Iterable[Offer], today: date | None = None) -> Report:
    operations = {operation.id: operation for offer in offers for operation in offer.operations}
    sessions = tuple(_sessions(root))
    findings: list[Finding] = []
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    cases = 0
    for path in folders:
        folder = read_folder(path)
        cases += len(folder.cases)
        findings += [Finding(path.name, name, f"cannot be read: {error}") for name, error in folder.errors]
        if path.name == FOLDER:
            findings += _unreadable_sessions(folder.cases)
        elif path.name not in operations:
            findings.append(Finding(path.name, "", "no operation of this name is offered"))
        else:
            asked = Asked(
                operations[path.name], checks_of(operations[path.name], operations), sessions, today or paris_today()
            )
            findings += _check_folder(folder.cases, asked)
    return Report(len(folders), cases, tuple(findings))


def _check_folder(cases: tuple[Case, ...], asked: Asked) -> Iterator[Finding]:
    signatures = Counter(signature_of_case(case.params) for case in cases)
    for case in cases:
        own = signature_of_case(case.params)
        problems = [
            _unreachable(case, own, asked),
            f"has the same parameters as {signatures[own] - 1} other" if signatures[own] > 1 else "",
            misfit(case, asked.operation),
        ]
        yield from (Finding(asked.operation.id, case.name, problem) for problem in problems if problem)


def _unreachable(case: Case, own: Signature, asked: Asked) -> str:
    """Why no call leads to the case. A default needs no call of its own."""
    if case.name == DEFAULT:
        return ""
    reaches = list(_reaches(case, asked))
    if any(reach.signature == own for reach in reaches):
        return ""
    if asked.operation.modality == "france_connect":
        return "unreachable: no fake token of france_connect/ has this identity and a scope of the operation"
    [reach] = reaches
    return f"unreachable: {reach.obstacle or _difference(own, reach.signature)}"


def _reaches(case: Case, asked: Asked) -> Iterator[Reach]:
    operation = asked.operation
    values = apply(operation.checks, parse_query(_query(case.params)), asked.today)
    if isinstance(values, Refusals):
        yield Reach(obstacle=f"its parameters are refused ({', '.join(values.codes)})")
    elif operation.modality == "france_connect":
        allowed = (session for session in asked.sessions if set(session.scopes) & set(operation.scopes))
        yield from (Reach(_signature(asked, session.identity, values)) for session in allowed)
    else:
        modality = MODALITIES[operation.modality]
        own = {name: values.pop(name) for name in modality.__struct_fields__ if name in values}
        yield Reach(_signature(asked, msgspec.convert(own, modality), values))


def _signature(asked: Asked, identity: Identity, values: Values) -> Signature:
    lookup = Lookup(id="", deadline=0, operation=asked.operation.id, identity=identity, parameters=values)
    return signature_of_question(asked.operation, asked.checks, lookup)


def _query(params: Mapping[str, Any]) -> str:
    pairs = [
        (f"{name}[]" if isinstance(value, list) else name, item)
        for name, value in params.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return urlencode([(name, "" if item is None else str(item)) for name, item in pairs])


def _difference(own: Signature, reached: Signature) -> str:
    lost = sorted({pair.partition("=")[0] for pair in set(own) - set(reached)})
    added = sorted({pair.partition("=")[0] for pair in set(reached) - set(own)})
    words = [f"a call never has {', '.join(lost)} so"] if lost else []
    return "; ".join([*words, *([f"a call also has {', '.join(added)}"] if added else [])])


def misfit(case: Case, operation: Operation) -> str:
    """Where the payload leaves the schema of its status, by path and never by value."""
    payload = msgspec.json.decode(case.payload)
    if case.status != 200:
        return "" if _is_error(payload) else "is not an error body"
    versioned = operation.path.startswith("/v")
    data = payload.get("data") if versioned and isinstance(payload, dict) else payload
    errors = jsonschema.Draft202012Validator(operation.schema).iter_errors(data)
    worst = jsonschema.exceptions.best_match(errors)
    return f"does not fit the schema at {worst.json_path} ({worst.validator})" if worst else ""


def _is_error(payload: Any) -> bool:
    match payload:
        case {"errors": [*errors]}:
            return bool(errors)
        case {"error": str(), "reason": str(), "message": str()}:
            return True
        case _:
            return False


def _sessions(root: Path) -> Iterator[Session]:
    for case in read_folder(root / FOLDER).cases:
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

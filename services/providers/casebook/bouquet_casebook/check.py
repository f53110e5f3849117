"""Check of case files (recorded answers of the sandbox) by the command `bouquet-worker check-cases`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema
import msgspec
from msgspec import Struct

from bouquet_casebook.cases import DEFAULT_FILE, Case, CaseError, Fault, Folder, read_folder
from bouquet_casebook.matching import CaseKeys, Signature, case_keys_of, signature_of_case, signature_of_question
from bouquet_casebook.sessions import FOLDER, session_of
from bouquet_casebook.version_2 import ServedVersion2, answered_from_successors
from bouquet_proto.france_connect_session import Session
from bouquet_proto.identity import MODALITIES, Identity
from bouquet_proto.messages import Lookup
from bouquet_proto.offer import Offer, Operation
from bouquet_proto.query import parse_query
from bouquet_proto.rules import RuleViolations, Values, apply_rules, refused_codes
from bouquet_worker import PublishedOperation, paris_today

MAX_VIOLATIONS = 20
"""Largest number of schema violations that are reported for one case."""


class Finding(Struct, frozen=True):
    """Fault that `bouquet-worker check-cases` reports: a folder, a case file in it, and what is wrong. `file` is empty
    if the folder itself is at fault."""

    folder: str
    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.file}: {self.problem}"


class Report(Struct, frozen=True):
    """Result of `bouquet-worker check-cases`: the faults found, and the number of folders and cases checked."""

    folders: int
    cases: int
    findings: tuple[Finding, ...]


class CallOutcome(Struct, frozen=True):
    """Outcome of trying a call with a test case's parameters. `signature` holds the parameters by which the sandbox
    searches for a case. `obstacle` says why the call is refused; empty if it is not."""

    signature: Signature = ()
    obstacle: str = ""


class Citizen(Struct, frozen=True):
    """Citizen invented for the sandbox: a FranceConnect token, and the session that the token opens."""

    token: str
    session: Session


class SimulatedOperation(Struct, frozen=True):
    """Operation that the sandbox answers from test cases. `case_keys` holds the parameter names in the case files, and
    `citizens` all invented citizens."""

    # Operations of version 2 that have the same path share one folder of cases.

    operation: Operation
    case_keys: CaseKeys
    citizens: tuple[Citizen, ...]
    today: date


class Checker:
    """Check of the test case files below the folder `root`.

    `offers` describe the operations that the sandbox answers. `published` holds these operations by id, each with the
    function that converts a worker's result to published data. Ages and placeholders such as `{annee-3}` are computed
    from `today`.
    """

    def __init__(
        self, root: Path, offers: Iterable[Offer], published: Mapping[str, PublishedOperation[Any]], today: date
    ) -> None:
        citizens = tuple(_citizens(root, today))
        operations = {one.id: one for offer in offers for one in offer.operations}
        self.operations_by_folder: dict[str, list[SimulatedOperation]] = defaultdict(list)
        """Maps the name of each folder to the operations that the sandbox answers from the folder's case files."""
        for operation in operations.values():
            simulated = SimulatedOperation(operation, case_keys_of(operation, operations), citizens, today)
            self.operations_by_folder[operation.folder].append(simulated)
        self._version_2: dict[str, list[ServedVersion2]] = defaultdict(list)
        for name, one in answered_from_successors(operations, published).items():
            if not read_folder(root / operations[name].folder, today).cases:
                self._version_2[one.successor.folder].append(one)

    def findings(self, path: Path, folder: Folder) -> Iterator[Finding]:
        """Yields each fault in a folder's files. Cases in a folder that belongs to no operation are not checked: the
        folder itself is reported."""
        for name, error in folder.errors:
            yield Finding(path.name, name, f"cannot be read: {error}")
        if path.name != FOLDER and path.name not in self.operations_by_folder:
            yield Finding(path.name, "", "no operation of this name is offered")
            return
        signatures = Counter(signature_of_case(case.params) for case in folder.cases)
        for case in folder.cases:
            others = signatures[signature_of_case(case.params)] - 1
            for fault in self.faults(path.name, case, others):
                yield Finding(path.name, case.name, fault.text)

    def faults(self, folder: str, case: Case, others: int) -> Iterator[Fault]:
        """Yields the faults of a test case. `others` is the number of other cases in the folder with the same
        parameters."""
        if folder == FOLDER:
            yield from _faults_of_session(case)
            return
        operations = self.operations_by_folder[folder]
        if why := _unreachable(case, signature_of_case(case.params), operations):
            yield Fault(why, ("params",))
        if others:
            yield Fault(f"has the same parameters as {others} other", ("params",))
        violations = list(_schema_violations(case, operations[0].operation))
        yield from violations or _unfit_for_version_2(case, self._version_2[folder])


def check(
    root: Path,
    offers: Iterable[Offer],
    published: Mapping[str, PublishedOperation[Any]],
    today: date | None = None,
) -> Report:
    """Checks all test case files below `root`, which has one folder for each operation. `offers` and `published`
    describe the operations that the sandbox answers. `today` is by default the date in Paris."""
    today = today or paris_today()
    checker = Checker(root, offers, published, today)
    paths = sorted(path for path in root.iterdir() if path.is_dir())
    folders = [(path, read_folder(path, today)) for path in paths]
    findings = tuple(finding for path, folder in folders for finding in checker.findings(path, folder))
    return Report(len(folders), sum(len(folder.cases) for _, folder in folders), findings)


def _unreachable(case: Case, own: Signature, operations: list[SimulatedOperation]) -> str:
    """Returns the reason why no call can get the answer recorded in `case`, or "" if a call can. `own` holds the case's
    parameters in comparable form. `operations` are the operations of the case's folder."""
    # The default case answers any call that no other case answers, whatever its own parameters.
    outcomes = (outcome for simulated in operations for _, outcome in tried_calls(case, simulated))
    if case.name == DEFAULT_FILE or CallOutcome(own) in outcomes:
        return ""
    simulated = max(operations, key=lambda simulated: len(simulated.case_keys.keys.keys() & case.params.keys()))
    tried = [outcome for _, outcome in tried_calls(case, simulated)]
    if not tried:
        return "unreachable with any fake token: none has a scope of the operation"
    nearest = max(tried, key=lambda outcome: len(set(outcome.signature) & set(own)))
    by_token = " with any fake token" if simulated.operation.by_session else ""
    return f"unreachable{by_token}: {nearest.obstacle or _difference(own, nearest.signature)}"


def tried_calls(case: Case, simulated: SimulatedOperation) -> Iterator[tuple[str, CallOutcome]]:
    """Tries calls of an operation with a test case's parameters. Yields the FranceConnect token and the outcome of each
    call. An operation without FranceConnect is called once, with the token ""."""
    # By FranceConnect, there is one call for each invented citizen who granted a scope of the operation.
    # Without a token, and if the rules refuse the parameters, yields one outcome with the token "".
    operation = simulated.operation
    values = apply_rules(operation.checks, parse_query(_query(case.params)), simulated.today)
    if isinstance(values, RuleViolations):
        yield "", CallOutcome(obstacle=f"its parameters are refused ({', '.join(values.codes)})")
    elif operation.by_session:
        for citizen in simulated.citizens:
            if set(citizen.session.scopes) & set(operation.scopes):
                yield citizen.token, _outcome_for(citizen, simulated, values)
    else:
        modality = MODALITIES[operation.modality]
        own = {name: values.pop(name) for name in modality.__struct_fields__ if name in values}
        yield "", CallOutcome(_signature(simulated, msgspec.convert(own, modality), values))


def _outcome_for(citizen: Citizen, simulated: SimulatedOperation, values: Values) -> CallOutcome:
    identity = citizen.session.identity
    if codes := refused_codes(simulated.operation.identity_checks, identity, simulated.today):
        return CallOutcome(obstacle=f"the citizen is refused ({', '.join(codes)})")
    return CallOutcome(_signature(simulated, identity, values))


def _signature(simulated: SimulatedOperation, identity: Identity, values: Values) -> Signature:
    lookup = Lookup(id="", deadline=0, operation=simulated.operation.id, identity=identity, parameters=values)
    return signature_of_question(simulated.case_keys, lookup)


def _query(params: Mapping[str, Any]) -> str:
    pairs = [
        (f"{name}[]" if isinstance(value, list) else name, item)
        for name, value in params.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return urlencode([(name, "" if item is None else str(item)) for name, item in pairs])


def _difference(own: Signature, reached: Signature) -> str:
    """Returns a text for a test case's author: it says which parameters differ between the test case (`own`) and a call
    (`reached`)."""
    wanted, had = dict(own), dict(reached)
    words = {
        "a call never has": wanted.keys() - had.keys(),
        "the nearest call has another": {name for name in wanted.keys() & had.keys() if wanted[name] != had[name]},
        "a call also has": had.keys() - wanted.keys(),
    }
    return "; ".join(f"{phrase} {', '.join(sorted(names))}" for phrase, names in words.items() if names)


def _schema_violations(case: Case, operation: Operation) -> Iterator[Fault]:
    """Yields a fault for each place where a test case's answer violates the operation's schema, up to `MAX_VIOLATIONS`.
    If the status is not 200, the schema does not apply: the answer must be an error body."""
    # The texts never contain a value, which may be a real person's.
    payload = msgspec.json.decode(case.payload)
    if case.status != 200:
        if not _is_error(payload):
            yield Fault("is not an error body", ("payload",))
        return
    versioned = operation.path.startswith("/v")
    data = _data_of(payload, operation) if versioned and isinstance(payload, dict) else payload
    schema = _with_every_field_required(operation.schema) if versioned else operation.schema
    errors = islice(jsonschema.Draft202012Validator(schema).iter_errors(data), MAX_VIOLATIONS)
    # Of the errors inside an `anyOf`, the one of the best matching alternative is reported.
    worst = [found for error in errors if (found := jsonschema.exceptions.best_match([error]))]
    for text, at in dict.fromkeys(_described(error) for error in worst):
        yield Fault(text, ("payload", *(("data",) if versioned else ()), *at))


def _data_of(payload: Mapping[str, Any], operation: Operation) -> Any:
    """Returns the part of an answer that the operation's schema describes: `data`, and the fields of `meta` in the
    schema."""
    # The answer is of version 3 or later.
    match payload:
        case {"data": dict() as data, "meta": dict() as meta}:
            return data | {name: meta[name] for name in operation.meta_fields if name in meta}
        case _:
            return payload.get("data")


def _described(error: jsonschema.ValidationError) -> tuple[str, tuple[str | int, ...]]:
    """Returns a text about a schema violation, and the keys and indexes that lead to its place in the data."""
    missing: list[str] = []
    match error.validator, error.validator_value, error.instance:
        case "required", [*names], dict() as members:
            missing = [name for name in names if name not in members]
    details = f"{error.validator}{': ' if missing else ''}{', '.join(missing)}"
    return f"does not fit the schema at {error.json_path} ({details})", tuple(error.absolute_path)


def _unfit_for_version_2(case: Case, version_2: list[ServedVersion2]) -> Iterator[Fault]:
    """Yields a fault for the first value in a test case's payload that version 2 cannot show."""
    # A schema accepts `1.0` as an integer, which the conversion to the worker's result does not.
    for one in version_2 if case.status == 200 else ():
        try:
            one.body(case.payload, {})
        except msgspec.ValidationError as error:
            _, at, path = str(error).rpartition(" - at ")
            yield Fault(f"cannot be shown in version 2 at {path.strip('`') if at else '$'}", ("payload",))
            return


def _with_every_field_required(node: Any) -> Any:
    """Returns a copy of a JSON schema that requires every field, even a field that only some callers receive
    (`x-scopes`)."""
    # A case must have these fields, since it must hold the data for a caller with every scope.
    match node:
        case {"properties": dict() as properties}:
            opened = [name for name, schema in properties.items() if "x-scopes" in schema]
            members = {name: _with_every_field_required(schema) for name, schema in properties.items()}
            return node | {"properties": members, "required": [*node.get("required", []), *opened]}
        case dict():
            return {key: _with_every_field_required(value) for key, value in node.items()}
        case list():
            return [_with_every_field_required(item) for item in node]
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


def _citizens(root: Path, today: date) -> Iterator[Citizen]:
    for case in read_folder(root / FOLDER, today).cases:
        with suppress(CaseError):
            yield Citizen(str(case.params.get("token", "")), session_of(case))


def _faults_of_session(case: Case) -> Iterator[Fault]:
    try:
        session_of(case)
    except CaseError as error:
        yield from error.faults

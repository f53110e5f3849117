"""List of all that a caller can get from the sandbox: test cases, simulated errors and FranceConnect sessions. Each
entry says which query parameters or token to send."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from bouquet_casebook.cases import DEFAULT_FILE, Case, CaseError
from bouquet_casebook.check import CallOutcome, SimulatedOperation, tried_calls
from bouquet_casebook.errors import FILE_NUMBER, code_in_payload, codes_of, identifier_of, name_of
from bouquet_casebook.matching import signature_of_case
from bouquet_casebook.sessions import session_of
from bouquet_proto.offer import Offer, Operation
from bouquet_proto.sandbox_messages import (
    CallParameters,
    CasePage,
    RecordedCase,
    SimulatedError,
    SimulatedErrors,
    SimulatedSession,
)

PAGE_BYTES = 400_000
"""Size, in bytes, above which a page of the list of test cases is full. The next case then begins a new page."""
MAX_CASE_BYTES = 600_000
"""Largest size, in bytes, of a test case in the list of test cases. Larger cases are left out."""
# Larger cases would not fit in a message.


def page_of(cases: Iterable[RecordedCase], after: str) -> CasePage:
    """Returns the page of test cases that begins after the case with the id `after`. An empty `after` means the first
    page. `cases` must be sorted by id."""
    chosen: list[RecordedCase] = []
    size = 0
    for case in cases:
        if case.id > after:
            if size > PAGE_BYTES:
                return CasePage(cases=tuple(chosen), next=chosen[-1].id)
            own = len(msgspec.json.encode(case))
            if own <= MAX_CASE_BYTES:
                chosen.append(case)
                size += own
    return CasePage(cases=tuple(chosen))


def listed(case: Case, operations: Sequence[SimulatedOperation]) -> RecordedCase:
    """Converts a test case to the form that gateways publish, with the query parameters and the FranceConnect token to
    send. `operations` are the operations that the case answers."""
    folder = operations[0].operation.folder
    is_default = case.name == DEFAULT_FILE
    own = CallOutcome(signature_of_case(case.params))
    by_session = operations[0].operation.by_session
    names = operations[0].operation.parameter_names.values() if by_session else None
    tried = (call for simulated in operations for call in tried_calls(case, simulated))
    answered = (token for token, outcome in tried if outcome == own and token)
    return RecordedCase(
        id=f"{folder}/{case.name.rpartition('.')[0]}",
        operation_id=folder,
        status=case.status,
        payload=case.payload,
        description=case.description,
        person=case.person,
        family=case.family,
        parameters={} if is_default else asked_of(case.params, names),
        sessions=() if is_default or not by_session else tuple(dict.fromkeys(answered)),
        is_default=is_default,
        code=code_in_payload(case.payload) if case.status >= 400 else "",
    )


def asked_of(params: Mapping[str, Any], names: Iterable[str] | None = None) -> CallParameters:
    """Returns the query parameters to send in order to get a test case: each list `x` becomes `x[]`. Leaves out null
    parameters and, if `names` is given, all parameters with other names."""
    # By FranceConnect, a case describes the citizen too, whom the call does not name.
    chosen = {name: value for name, value in params.items() if value is not None and (names is None or name in names)}
    return {
        f"{name}[]" if isinstance(value, list) else name: tuple(map(str, value))
        if isinstance(value, list)
        else str(value)
        for name, value in chosen.items()
    }


def simulated_errors(offer: Offer, cases: Mapping[str, tuple[Case, ...]]) -> Iterator[SimulatedErrors]:
    """Yields the errors that the sandbox simulates for each operation in `offer` (the description of a worker's
    operations). `cases` holds the test cases by folder."""
    # An operation that takes no FranceConnect token needs a test case, which gives the other parameters of the call.
    for operation in offer.operations:
        recorded = cases.get(operation.folder, ())
        codes = codes_of(operation, offer.authority_of(operation), offer.problems)
        if operation.by_session:
            errors = [SimulatedError(code=c, status=s, session=f"jeton-erreur-{c}") for c, s in codes.items()]
            yield SimulatedErrors(operation_id=operation.folder, errors=tuple(errors))
        elif example := next((case for case in recorded if case.name != DEFAULT_FILE), None):
            others = asked_of(example.params)
            own = [
                SimulatedError(code=c, status=s, parameters=_parameters_of_error(operation, c))
                for c, s in codes.items()
            ]
            kept = {name: value for name, value in others.items() if name not in own[0].parameters}
            yield SimulatedErrors(operation_id=operation.folder, errors=tuple(own), parameters=kept)


def simulated_sessions(cases: Iterable[Case]) -> Iterator[SimulatedSession]:
    """Yields the FranceConnect sessions that case files describe. Leaves out cases whose session cannot be read."""
    for case in cases:
        with suppress(CaseError):
            yield SimulatedSession(
                token=str(case.params.get("token", "")),
                scopes=session_of(case).scopes,
                description=case.description,
                person=case.person,
                family=case.family,
            )


def _parameters_of_error(operation: Operation, code: str) -> CallParameters:
    """Returns the query parameters that identify the invented person for whom an operation answers with the error
    `code`."""
    facts = {
        "identite": {"nom_naissance": name_of(code)},
        "ine": {"ine": f"ERREUR{code}"},
        "identifiant": {"identifiant": identifier_of(code, operation)},
        "numero_allocataire": {"numero_allocataire": FILE_NUMBER, "code_postal": code},
    }[operation.modality]
    return {operation.parameter_names[fact]: value for fact, value in facts.items()}

"""Replies of a sandbox to gateways: its test cases, and the faults of a proposed test case.

A gateway sends `ListCases` to each provider of a sandbox, and `CheckCase` to the provider of the operation for which a
test case is proposed. Outside of a sandbox, workers answer both requests with `malformed_request`.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Raw, Struct

CallParameters: TypeAlias = dict[str, str | tuple[str, ...]]
"""Query parameters of a call, by name: one text for `nomNaissance`, several for a list such as `prenoms[]`. The
parameter `recipient` is left out."""
# The caller may send any SIRET as `recipient`.


class RecordedCase(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Test case of a sandbox: a recorded answer about an invented person, and the call that gets the answer. Dates in
    the answer are computed relative to the day of the reply."""

    id: str
    """Id of the test case: the path of its file without the extension, such as `OPERATION/200_anne`."""
    operation_id: str
    """Id of the operation in API Particulier's OpenAPI document."""
    status: int
    payload: Raw
    """Body of the answer, as a caller with every scope gets it."""
    description: str = ""
    person: str = ""
    """Name of the invented person of the case; empty if the case file names none."""
    family: str = ""
    """Name of the invented family of the case; empty if the case file names none."""
    parameters: CallParameters = {}
    sessions: tuple[str, ...] = ()
    """FranceConnect tokens with which a call gets this recorded answer; empty for operations without FranceConnect."""
    is_default: bool = False
    """Whether this recorded answer is for all calls of the operation that match no other test case."""
    code: str = ""
    """Public code, such as `35003`, of the error in the recorded answer; empty if the answer has data."""


class SimulatedError(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Error that a sandbox simulates on request. The caller requests it by query parameters or, for operations with
    FranceConnect, by a special FranceConnect token."""

    code: str
    status: int
    parameters: CallParameters = {}
    """Query parameters that request this error. Sent together with `SimulatedErrors.parameters`."""
    session: str = ""
    """FranceConnect token that requests this error; empty for operations without FranceConnect."""


class SimulatedErrors(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Errors that a sandbox can simulate for one operation, and the query parameters that request them."""

    operation_id: str
    errors: tuple[SimulatedError, ...]
    parameters: CallParameters = {}
    """Query parameters that a call must have to get one of the `errors`. In addition, each error needs its own
    parameters (`SimulatedError.parameters`)."""


class SimulatedSession(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """FranceConnect session of an invented citizen, which a sandbox simulates: the token, and the scopes to which the
    citizen has consented."""

    token: str
    scopes: tuple[str, ...]
    description: str = ""
    person: str = ""
    family: str = ""


class CasePage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Page of the list of a provider's test cases in a sandbox. The first page also holds the errors and FranceConnect
    sessions that the provider simulates."""

    cases: tuple[RecordedCase, ...] = ()
    errors: tuple[SimulatedErrors, ...] = ()
    sessions: tuple[SimulatedSession, ...] = ()
    next: str = ""
    """Value of `ListCases.after` for the next page, or "" if this is the last page."""


class CaseFault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Fault of a proposed test case file. The message never repeats a value from the file."""

    message: str
    path: str = ""
    """Place of the fault in the file, such as `params.nomNaissance` or `payload.data.enfants[0]`."""
    line: int = 0
    """Number of the line in the file, counted from 1; 0 if the fault belongs to no line."""


class CaseReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Result of checking a proposed test case file: its faults, and the test case as a sandbox would serve it. The test
    case is `None` if the file cannot be read."""

    faults: tuple[CaseFault, ...]
    case: RecordedCase | None = None

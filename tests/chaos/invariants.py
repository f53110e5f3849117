"""Promises (invariants) that a chaos or soak run checks: some for every answer, even while parts are broken, others
for every process at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from http import HTTPStatus

import msgspec
from msgspec import Struct

from bouquet_proto.names import RESERVE_SUFFIX
from tests.chaos.people import ABSENCES, ENTITLED, NOT_ENTITLED, PART, RSA, Citizen


class Invariant(StrEnum):
    """A promise that a run checks, with its text in the report."""

    IN_TIME = "every call ends by its deadline"
    ANSWERED = "every call is answered by one of the gateways"
    TYPED = "every error is a documented one, and not the caller's fault"
    NEVER_NOBODY = "no known person is reported as unknown, and no entitled one as not entitled"
    OWN_PERSON = "no answer is about another person"
    OWN_FIELDS = "no answer contains a field outside the caller's scopes"
    HEALED = "after each fault the mesh recovers within the stated time"
    WHOLE = "while one node is lost, the mesh recovers within the stated time"
    READY = "each process that reports ready consumes its queue"
    QUIET = "in the end no request, call, reply or message is pending"
    BASELINE = "in the end queues, tasks, descriptors and memory are back to their values after the warm-up"
    RECORDED = "the access journal is valid and complete"


class Violation(Struct, frozen=True):
    """A promise that was not kept. The text `story` describes the case, such as the person and the answer."""

    invariant: Invariant
    story: str


class Caller(Struct, frozen=True):
    """Token with which a load calls the gateways, and the names of the data fields that the token's scopes make
    visible."""

    token: str
    fields: frozenset[str]


class Rules(Struct, frozen=True):
    """Requirements for every answer. It must come within `late_s` seconds and, if it is an error, `errors` must contain
    its status and code, such as `502 00501`."""

    late_s: float
    errors: frozenset[str]


class Answer(Struct, frozen=True):
    status: int
    body: bytes
    took_s: float


class _Error(Struct):
    code: str


class _Body(Struct):
    data: dict[str, msgspec.Raw] = {}
    errors: list[_Error] = []


class _Part(_Body):
    status: str = ""


class _Dossier(Struct):
    data: dict[str, _Part]


class _Person(Struct):
    prenoms: str


class _Quotient(Struct):
    fournisseur: str


def violations(
    citizen: Citizen, caller: Caller, answer: Answer, rules: Rules, *, repeated: bool = False
) -> list[Violation]:
    """Returns the violations in an answer about `citizen`. If the same call was made before (`repeated`), a 409 is
    allowed."""
    # The same call, made before, may still be under way.
    return list(_judged(citizen, caller, answer, rules, repeated))


def status_and_code(answer: Answer) -> str:
    if answer.status == 200:
        return "200"
    try:
        [error] = msgspec.json.decode(answer.body, type=_Body).errors
    except (msgspec.MsgspecError, ValueError):
        return f"{answer.status} garbage"
    return f"{answer.status} {error.code}"


def as_single(status: int, body: bytes, rules: Rules) -> tuple[int, bytes]:
    """Returns the status and the body that the single call would have had, from the answer to a dossier with one part.
    The HTTP status of an error is the documented one of its code, or 500 if there is none."""
    try:
        part = msgspec.json.decode(body, type=_Dossier).data[PART] if status == HTTPStatus.OK else None
    except (msgspec.MsgspecError, KeyError):
        return HTTPStatus.INTERNAL_SERVER_ERROR, body
    if part is None:
        return status, body
    if part.status == "found":
        return status, msgspec.json.encode({"data": part.data})
    documented = {one.partition(" ")[2]: int(one.partition(" ")[0]) for one in rules.errors | ABSENCES}
    code = part.errors[0].code if part.errors else ""
    return documented.get(code, HTTPStatus.INTERNAL_SERVER_ERROR), msgspec.json.encode({"errors": part.errors})


def is_right(citizen: Citizen, answer: Answer) -> bool:
    answers = citizen.kind.answers
    return status_and_code(answer) in answers or (
        answer.status == 200 and any(right.startswith("200") for right in answers)
    )


def _judged(citizen: Citizen, caller: Caller, answer: Answer, rules: Rules, repeated: bool) -> Iterator[Violation]:
    story = f"citizen {citizen.number} {citizen.kind.name}: {status_and_code(answer)} after {answer.took_s:.2f} s"
    if answer.took_s > rules.late_s:
        yield Violation(Invariant.IN_TIME, story)
    if answer.status == 200:
        yield from _judged_data(citizen, caller, answer, story)
        return
    said = status_and_code(answer)
    if said in ABSENCES:
        if said not in citizen.kind.answers:
            yield Violation(Invariant.NEVER_NOBODY, story)
    elif said not in rules.errors or not (answer.status >= 502 or (repeated and answer.status == 409)):
        yield Violation(Invariant.TYPED, story)


def _judged_data(citizen: Citizen, caller: Caller, answer: Answer, story: str) -> Iterator[Violation]:
    if not is_right(citizen, answer):
        yield Violation(Invariant.OWN_PERSON, f"{story}, whom nobody knows")
        return
    try:
        data = msgspec.json.decode(answer.body, type=_Body).data
        judge = _judged_right if citizen.kind.path == RSA else _judged_people
        yield from judge(citizen, data, story)
    except (msgspec.MsgspecError, KeyError):
        yield Violation(Invariant.TYPED, f"{story}, without what was asked for")
        return
    if extra := data.keys() - caller.fields:
        yield Violation(Invariant.OWN_FIELDS, f"{story}, with {sorted(extra)}")


def _judged_right(citizen: Citizen, data: Mapping[str, msgspec.Raw], story: str) -> Iterator[Violation]:
    """Yields a violation if an answer is wrong about the citizen's entitlement to the benefit RSA."""
    said = ENTITLED if msgspec.json.decode(data["est_beneficiaire"], type=bool) else NOT_ENTITLED
    if said not in citizen.kind.answers:
        yield Violation(Invariant.NEVER_NOBODY if said == NOT_ENTITLED else Invariant.OWN_PERSON, f"{story}: {said}")


def _judged_people(citizen: Citizen, data: Mapping[str, msgspec.Raw], story: str) -> Iterator[Violation]:
    persons = msgspec.json.decode(data["allocataires"], type=list[_Person])
    if [person.prenoms for person in persons] != [citizen.first_names]:
        yield Violation(Invariant.OWN_PERSON, story)
    if "quotient_familial" in data:
        fund = msgspec.json.decode(data["quotient_familial"], type=_Quotient).fournisseur
        if f"200 {fund}" not in citizen.kind.answers:
            yield Violation(Invariant.OWN_PERSON, f"{story}, by {fund}")


class ResourceUsage(Struct, frozen=True):
    """Resources that a process uses. `descriptors` are open files and connections, `pending` unfinished requests and
    calls."""

    memory_mb: float
    descriptors: int
    tasks: int
    pending: int


class Margins(Struct, frozen=True):
    """Growth of a process that does not count as a leak. Memory may grow by `memory_share` of its size plus
    `memory_mb`."""

    memory_share: float
    memory_mb: float
    descriptors: int
    tasks: int


def grown(before: Mapping[str, ResourceUsage], after: Mapping[str, ResourceUsage], margins: Margins) -> list[Violation]:
    """Returns the violations of processes that have pending calls, or whose resources have grown too much."""
    return [broken for name, now in after.items() for broken in _grown(name, before[name], now, margins)]


def _grown(name: str, before: ResourceUsage, now: ResourceUsage, margins: Margins) -> Iterator[Violation]:
    if now.pending:
        yield Violation(Invariant.QUIET, f"{name}: {now.pending} pending")
    figures = (
        ("MB", before.memory_mb, now.memory_mb, before.memory_mb * margins.memory_share + margins.memory_mb),
        ("descriptors", before.descriptors, now.descriptors, margins.descriptors),
        ("tasks", before.tasks, now.tasks, margins.tasks),
    )
    for what, had, has, margin in figures:
        if has > had + margin:
            yield Violation(Invariant.BASELINE, f"{name}: {has:.0f} {what}, had {had:.0f}")


def left_in_queues(before: Mapping[str, int], after: Mapping[str, int]) -> list[Violation]:
    """Returns a violation for each queue that still holds messages, and for each reserve queue that still exists.
    Returns a further violation if there are more or fewer queues than in `before`."""
    # Names are not compared, because a reply queue gets a new name with each connection.
    full = [Violation(Invariant.QUIET, f"queue {name}: {depth} messages") for name, depth in after.items() if depth]
    if len(after) != len(before):
        full.append(Violation(Invariant.BASELINE, f"{len(after)} queues, were {len(before)}"))
    used = [name for name in after if name.endswith(RESERVE_SUFFIX)]
    return full + [Violation(Invariant.BASELINE, f"queue {name} is still in use") for name in used]

"""Results (findings) of the doctor's checks, and their report as text or JSON, in which the consequences of a problem
follow their cause. No finding contains a secret."""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from bouquet_mesh.visible import visible

State: TypeAlias = Literal["well", "wrong", "unknown"]
MARKS: dict[State, str] = {"wrong": "WRONG", "unknown": "?    ", "well": "ok   "}
"""Mark of each state in the report's text. The report lists the findings in this order of states."""


class Finding(Struct, frozen=True):
    """Result of one check."""

    subject: str
    """Thing that was checked, such as `journal`."""
    state: State
    says: str
    """Result in words, such as "has no consumer"."""
    remedy: str = ""
    """Advice to the operator; empty if there is none."""
    needs: tuple[str, ...] = ()
    """Subjects of other findings without which this check cannot pass. If this check did not pass, the first of them
    that is `wrong` counts as the cause."""


class ReportedFinding(Struct, frozen=True):
    """Finding in a report. `follows_from` is the subject of the finding that caused this one, or "" if none did."""

    subject: str
    state: State
    says: str
    remedy: str
    follows_from: str


def well(subject: str, says: str) -> Finding:
    """Returns the finding of a check that passed."""
    return Finding(subject, "well", says)


def wrong(subject: str, says: str, remedy: str, needs: tuple[str, ...] = ()) -> Finding:
    """Returns the finding of a check that failed."""
    return Finding(subject, "wrong", says, remedy, needs)


def unknown(subject: str, says: str, remedy: str = "", needs: tuple[str, ...] = ()) -> Finding:
    """Returns the finding of a check that could not be made."""
    return Finding(subject, "unknown", says, remedy, needs)


def is_well(findings: Iterable[Finding]) -> bool:
    """Returns False if a check has failed, else True. A check that could not be made does not count as failed."""
    return all(finding.state != "wrong" for finding in findings)


def report(findings: Sequence[Finding]) -> list[ReportedFinding]:
    """Returns the findings for a report, in the order of `MARKS`. A finding that another one caused stands after its
    cause instead."""
    failed = {finding.subject: finding for finding in findings if finding.state == "wrong"}
    reported = [
        ReportedFinding(one.subject, one.state, one.says, one.remedy, _cause_of(one, failed)) for one in findings
    ]
    causes = [one for state in MARKS for one in reported if one.state == state and not one.follows_from]
    return [one for cause in causes for one in (cause, *_consequences(cause, reported))]


def _cause_of(finding: Finding, failed: Mapping[str, Finding]) -> str:
    """Returns the subject of the first cause in the chain that leads to a finding, or "" if nothing explains it."""
    if finding.state == "well":
        return ""
    explaining = next((failed[subject] for subject in finding.needs if subject in failed), None)
    return (_cause_of(explaining, failed) or explaining.subject) if explaining else ""


def _consequences(cause: ReportedFinding, reported: Iterable[ReportedFinding]) -> list[ReportedFinding]:
    return [one for one in reported if one.follows_from == cause.subject]


def as_text(findings: Sequence[Finding]) -> str:
    """Returns the report for a terminal: one to three lines for each cause, the last of which names the consequences,
    if there are any."""
    reported = report(findings)
    causes = [one for one in reported if not one.follows_from]
    return visible("\n".join(line for cause in causes for line in _lines(cause, _consequences(cause, reported))))


def as_json(findings: Sequence[Finding]) -> str:
    """Returns the report in the JSON that `doctor --json` prints: `{"well": …, "findings": […]}`."""
    return visible(msgspec.json.encode({"well": is_well(findings), "findings": report(findings)}).decode())


def _lines(cause: ReportedFinding, consequences: Sequence[ReportedFinding]) -> Iterator[str]:
    yield f"{MARKS[cause.state]} {cause.subject}: {cause.says}"
    if cause.remedy:
        yield f"      -> {cause.remedy}"
    if consequences:
        yield f"      => from this follows: {', '.join(one.subject for one in consequences)}"


async def print_report(examination: Coroutine[Any, Any, list[Finding]], *, json: bool) -> int:
    """Prints the report of an examination. Returns the exit status of a doctor: 0, or 1 if a check has failed."""
    findings = await examination
    sys.stdout.write((as_json(findings) if json else as_text(findings)) + "\n")
    sys.stdout.flush()  # the end of the event loop may wait for a name server that is silent
    return 0 if is_well(findings) else 1

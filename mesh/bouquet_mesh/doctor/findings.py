"""Findings (results of the checks that a `doctor` command makes), and their report as text or JSON. The report lists a
problem's consequences after their cause. No finding contains a secret."""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from bouquet_mesh.control_characters import escape_control_characters

State: TypeAlias = Literal["well", "wrong", "unknown"]
MARKS: dict[State, str] = {"wrong": "WRONG", "unknown": "?    ", "well": "ok   "}
"""Mark before each check in the report of a `doctor` command, by state. The report lists states in the order of
`MARKS`."""


class Finding(Struct, frozen=True):
    """Result of one check that a `doctor` command made."""

    subject: str
    """Name of what was checked, such as `journal`."""
    state: State
    says: str
    """Result in words, such as "has no consumer"."""
    remedy: str = ""
    """Advice to the operator; empty if there is none."""
    needs: tuple[str, ...] = ()
    """Names of other checks on which this check depends. If this check does not pass, the report names the first failed
    check as the cause."""


class ReportedFinding(Struct, frozen=True):
    """Result of a check, as the report of a `doctor` command shows it. `follows_from` names the failed check that is
    the cause; empty if there is none."""

    subject: str
    state: State
    says: str
    remedy: str
    follows_from: str


def well(subject: str, says: str) -> Finding:
    """Returns the result of a check that passed. `subject` names the check, and `says` tells the result in words."""
    return Finding(subject, "well", says)


def wrong(subject: str, says: str, remedy: str, needs: tuple[str, ...] = ()) -> Finding:
    """Returns the result of a check that failed. `subject` names the check, `says` tells the result in words, and
    `remedy` is the advice to the operator. `needs` names other checks whose failure may be the cause."""
    return Finding(subject, "wrong", says, remedy, needs)


def unknown(subject: str, says: str, remedy: str = "", needs: tuple[str, ...] = ()) -> Finding:
    """Returns the result of a check that could not be made. The arguments are those of `wrong`."""
    return Finding(subject, "unknown", says, remedy, needs)


def is_well(findings: Iterable[Finding]) -> bool:
    """Returns whether none of the checks has failed. A check that could not be made does not count as failed."""
    return all(finding.state != "wrong" for finding in findings)


def report(findings: Sequence[Finding]) -> list[ReportedFinding]:
    """Returns the results of checks in the order of a report: failed checks first, then those that could not be made,
    then passed ones. The consequences of a failed check come directly after it."""
    failed = {finding.subject: finding for finding in findings if finding.state == "wrong"}
    reported = [
        ReportedFinding(one.subject, one.state, one.says, one.remedy, _cause_of(one, failed)) for one in findings
    ]
    causes = [one for state in MARKS for one in reported if one.state == state and not one.follows_from]
    return [one for cause in causes for one in (cause, *_consequences(cause, reported))]


def _cause_of(finding: Finding, failed: Mapping[str, Finding]) -> str:
    """Returns the name of the failed check that explains the result `finding`, or "" if there is none. If a chain of
    failures explains it, returns the first failure of the chain."""
    if finding.state == "well":
        return ""
    explaining = next((failed[subject] for subject in finding.needs if subject in failed), None)
    return (_cause_of(explaining, failed) or explaining.subject) if explaining else ""


def _consequences(cause: ReportedFinding, reported: Iterable[ReportedFinding]) -> list[ReportedFinding]:
    return [one for one in reported if one.follows_from == cause.subject]


def as_text(findings: Sequence[Finding]) -> str:
    """Returns the report of checks as text for a terminal: a line for each result, then a line with its remedy. A
    consequence of a failed check is only named below that check."""
    reported = report(findings)
    causes = [one for one in reported if not one.follows_from]
    return escape_control_characters(
        "\n".join(line for cause in causes for line in _lines(cause, _consequences(cause, reported)))
    )


def as_json(findings: Sequence[Finding]) -> str:
    """Returns the report in the JSON that `doctor --json` prints: `{"well": …, "findings": […]}`."""
    return escape_control_characters(
        msgspec.json.encode({"well": is_well(findings), "findings": report(findings)}).decode()
    )


def _lines(cause: ReportedFinding, consequences: Sequence[ReportedFinding]) -> Iterator[str]:
    yield f"{MARKS[cause.state]} {cause.subject}: {cause.says}"
    if cause.remedy:
        yield f"      -> {cause.remedy}"
    if consequences:
        yield f"      => from this follows: {', '.join(one.subject for one in consequences)}"


async def print_report(examination: Coroutine[Any, Any, list[Finding]], *, json: bool) -> int:
    """Runs all checks of a `doctor` command, and prints their report, as JSON if `json` is true. Returns the exit
    status: 1 if a check has failed, else 0."""
    findings = await examination
    sys.stdout.write((as_json(findings) if json else as_text(findings)) + "\n")
    sys.stdout.flush()  # the end of the event loop may wait for a name server that is silent
    return 0 if is_well(findings) else 1

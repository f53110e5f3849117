"""Results of the doctor's checks, as text or JSON. None holds a secret."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from bouquet_mesh.visible import visible

State: TypeAlias = Literal["well", "wrong", "unknown"]
MARKS: dict[State, str] = {"well": "ok   ", "wrong": "WRONG", "unknown": "?    "}


class Finding(Struct, frozen=True):
    """Result of one check."""

    subject: str
    """Thing that was checked, such as `journal`."""
    state: State
    says: str
    """Result in words, such as "has no consumer"."""
    remedy: str = ""
    """Advice to the operator, if any."""


def well(subject: str, says: str) -> Finding:
    """Returns the finding of a check that passed."""
    return Finding(subject, "well", says)


def wrong(subject: str, says: str, remedy: str) -> Finding:
    """Returns the finding of a check that failed."""
    return Finding(subject, "wrong", says, remedy)


def unknown(subject: str, says: str, remedy: str = "") -> Finding:
    """Returns the finding of a check that could not be made."""
    return Finding(subject, "unknown", says, remedy)


def is_well(findings: Iterable[Finding]) -> bool:
    """Returns False if a check has failed, else True. A check that could not be made does not count as failed."""
    return all(finding.state != "wrong" for finding in findings)


def as_text(findings: Iterable[Finding]) -> str:
    """Returns the findings for a terminal, one or two lines each."""
    return visible("\n".join(_lines(finding) for finding in findings))


def as_json(findings: list[Finding]) -> str:
    """Returns the findings in the JSON that `doctor --json` prints: `{"well": …, "findings": […]}`."""
    return visible(msgspec.json.encode({"well": is_well(findings), "findings": findings}).decode())


def _lines(finding: Finding) -> str:
    line = f"{MARKS[finding.state]} {finding.subject}: {finding.says}"
    return f"{line}\n      -> {finding.remedy}" if finding.remedy else line

"""What a look at a deployment has found, told to people or as JSON. No finding holds a secret."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

State: TypeAlias = Literal["well", "wrong", "unknown"]
MARKS: dict[State, str] = {"well": "ok   ", "wrong": "WRONG", "unknown": "?    "}


class Finding(Struct, frozen=True):
    subject: str
    state: State
    says: str
    remedy: str = ""
    """What to do about it."""


def well(subject: str, says: str) -> Finding:
    return Finding(subject, "well", says)


def wrong(subject: str, says: str, remedy: str) -> Finding:
    return Finding(subject, "wrong", says, remedy)


def unknown(subject: str, says: str, remedy: str = "") -> Finding:
    return Finding(subject, "unknown", says, remedy)


def is_well(findings: Iterable[Finding]) -> bool:
    """What could not be looked at is not held against a deployment."""
    return all(finding.state != "wrong" for finding in findings)


def as_text(findings: Iterable[Finding]) -> str:
    return "\n".join(_lines(finding) for finding in findings)


def as_json(findings: list[Finding]) -> str:
    return msgspec.json.encode({"well": is_well(findings), "findings": findings}).decode()


def _lines(finding: Finding) -> str:
    line = f"{MARKS[finding.state]} {finding.subject}: {finding.says}"
    return f"{line}\n      -> {finding.remedy}" if finding.remedy else line

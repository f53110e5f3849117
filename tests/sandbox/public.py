"""Public cases of API Particulier's own sandbox, which are outside this repository."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bouquet_casebook.cases import SUFFIXES
from bouquet_casebook.check import Finding, check
from bouquet_casebook.serve import sandbox
from tests.support.reference import REFERENCE, needs
from tests.support.sandbox_gateway import OPERATIONS

CASES = REFERENCE / "cases"

HERE = needs(CASES)


@cache
def findings() -> tuple[Finding, ...]:
    return check(CASES, sandbox.offers(), sandbox.published()).findings if CASES.is_dir() else ()


def files_of(root: Path, operation_id: str) -> list[Path]:
    return sorted(file for file in (root / operation_id).glob("*") if file.suffix in SUFFIXES)


def read(file: Path) -> tuple[dict[str, Any], int, Any]:
    """Parses a case file without the code under test, and returns the case's parameters, status and body."""
    case = yaml.safe_load(file.read_text())
    return case["params"], case["status"], json.loads(case["payload"])


@cache
def reachable() -> tuple[Path, ...]:
    """Returns the public cases that a call can reach by sending the parameters written in the case. Cases for
    FranceConnect sessions and default cases (`404.yaml`) are left out."""
    lost = {(finding.folder, finding.file) for finding in findings() if finding.problem.startswith("unreachable")}
    return tuple(
        file
        for operation in OPERATIONS.values()
        if not operation.by_session
        for file in files_of(CASES, operation.id)
        if file.name != "404.yaml" and (operation.id, file.name) not in lost
    )

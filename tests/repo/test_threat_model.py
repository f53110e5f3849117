"""Tests that every threat of docs/threat-model.md names an existing test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| threat ")]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def is_there(file: str, test: str) -> bool:
    path = ROOT / file
    return path.is_file() and (not test or re.search(rf"def {test}\(", path.read_text(encoding="utf-8")) is not None)


def test_every_threat_names_its_test() -> None:
    assert len(ROWS) > 30
    assert [row for row in ROWS if not NAMED.search(row.rsplit("|", 2)[1])] == []


def test_every_test_that_the_threat_model_names_exists() -> None:
    assert [f"{file}::{test}" for file, test in NAMED.findall(PAGE) if not is_there(file, test)] == []

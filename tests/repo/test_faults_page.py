"""Tests that docs/faults.md names, for each fault, exactly the modules of tests/faults that test it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (F\d+) \|.*\| `(\w+\.py)`", re.MULTILINE)
TEST = re.compile(r"^(?:async )?def test_((?:f\d+_)+)", re.MULTILINE)


def test_every_row_of_the_page_has_a_test_of_its_name_in_its_module_and_the_reverse() -> None:
    told = {(f"f{int(row[1:]):02}", module) for row, module in ROW.findall((ROOT / "docs/faults.md").read_text())}
    tested = {
        (row, module.name)
        for module in (ROOT / "tests/faults").glob("test_*.py")
        for rows in TEST.findall(module.read_text())
        for row in rows.split("_")
        if row
    }
    assert told == tested
    assert {row for row, _ in told} == {f"f{number:02}" for number in range(1, 31)}

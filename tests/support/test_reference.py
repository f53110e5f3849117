"""Tests that a run without the reference data reports the skipped tests in one line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.reference import closing_line

TESTS = Path(__file__).parents[1]

IN_NEED = """
import pytest
from tests.support.reference import REFERENCE, needs, present

@needs(REFERENCE / "cases")
@pytest.mark.parametrize("number", range(3))
def test_of_a_folder(number: int) -> None: ...

def test_of_a_file() -> None:
    present(REFERENCE / "upstream" / "valid.json")

@pytest.mark.skipif(True, reason="curl is not installed")
def test_of_a_program() -> None: ...
"""

CLOSING_LINE = (
    "4 tests were skipped: each needs reference data that are not beside this clone "
    "(../shared/reference/data, which is no part of this repository)"
)


def test_a_run_counts_the_tests_that_need_reference_data_in_one_line(tmp_path: Path) -> None:
    tests = tmp_path / "clone" / "tests"
    shutil.copytree(TESTS / "support", tests / "support", ignore=shutil.ignore_patterns("test_*"))
    for name in ("__init__.py", "conftest.py"):
        shutil.copy(TESTS / name, tests / name)
    (tests / "test_one.py").write_text(IN_NEED, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", str(tests)]
    ran = subprocess.run(command, cwd=tests.parent, check=True, capture_output=True, text=True, timeout=200)
    assert [line for line in ran.stdout.splitlines() if "reference data" in line] == [CLOSING_LINE]


def test_a_run_without_skipped_reference_tests_prints_no_line() -> None:
    assert closing_line(["Skipped: curl is not installed"]) == ""

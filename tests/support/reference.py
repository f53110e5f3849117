"""Reference data in `../shared/reference/data`, outside this repository. Tests that need them are skipped where they
are missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "data"
MISSING = "needs reference data that are not beside this clone"
"""First words of the reason with which a test is skipped if its reference data are missing. `closing_line` counts the
tests whose reason begins so."""


def needs(path: Path) -> pytest.MarkDecorator:
    """Returns a pytest mark that skips a test if this file or folder is missing."""
    return pytest.mark.skipif(not path.exists(), reason=reason(path))


def present(path: Path) -> Path:
    """Returns the path of reference data if it exists; otherwise skips the running test."""
    if not path.exists():
        pytest.skip(reason(path))
    return path


def reason(path: Path) -> str:
    return f"{MISSING}: {path.relative_to(REFERENCE)}"


def closing_line(reasons: Iterable[str]) -> str:
    """Returns the line to print at the end of a test run: how many tests were skipped because reference data are
    missing. Returns an empty string if no test was."""
    count = sum(MISSING in each for each in reasons)
    where = "../shared/reference/data, which is no part of this repository"
    return f"{count} tests were skipped: each {MISSING} ({where})" if count else ""

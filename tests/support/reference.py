"""Reference data: official documents, public cases and recorded answers, which are not part of the repository. They are
in `../shared/reference/data` beside the clone; without them, tests that need them are skipped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "data"
"""Folder of the reference data."""
MISSING = "needs reference data that are not beside this clone"
"""Beginning of the text that says why a test was skipped."""


def needs(path: Path) -> pytest.MarkDecorator:
    """Returns a pytest mark that skips a test if this file or folder of the reference data is missing."""
    return pytest.mark.skipif(not path.exists(), reason=reason(path))


def present(path: Path) -> Path:
    """Returns the path of reference data if it exists; otherwise skips the running test."""
    if not path.exists():
        pytest.skip(reason(path))
    return path


def reason(path: Path) -> str:
    """Returns the text that says why a test is skipped when this path is missing."""
    return f"{MISSING}: {path.relative_to(REFERENCE)}"


def closing_line(reasons: Iterable[str]) -> str:
    """Returns a line for the end of a test run, with the number of tests skipped because reference data are missing. It
    is empty if no test was skipped for this."""
    count = sum(MISSING in each for each in reasons)
    where = "../shared/reference/data, which is no part of this repository"
    return f"{count} tests were skipped: each {MISSING} ({where})" if count else ""

"""The reference data: official documents, public cases and recorded answers, which are not part of the repository.

They are in `../shared/reference/data` beside the clone; tests that need them are skipped without them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "data"
"""Folder of the reference data."""
MISSING = "needs reference data that are not beside this clone"
"""Beginning of the reason of a skipped test."""


def needs(path: Path) -> pytest.MarkDecorator:
    """Returns a mark that skips a test unless this file or folder of the reference data exists."""
    return pytest.mark.skipif(not path.exists(), reason=reason(path))


def present(path: Path) -> Path:
    """Returns the path; skips the running test if it does not exist."""
    if not path.exists():
        pytest.skip(reason(path))
    return path


def reason(path: Path) -> str:
    """Returns the reason why a test that needs this path is skipped."""
    return f"{MISSING}: {path.relative_to(REFERENCE)}"


def closing_line(reasons: Iterable[str]) -> str:
    """Returns the last line of a run that skipped tests for want of reference data, or an empty text."""
    count = sum(MISSING in each for each in reasons)
    where = "../shared/reference/data, which is no part of this repository"
    return f"{count} tests were skipped: each {MISSING} ({where})" if count else ""

"""The reference data: official documents, public cases, recorded answers. No part of this repository.

They stand beside a clone, in `../shared/reference/data`. Where they are absent, the tests that need them are skipped,
and a run says so in its last lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "data"
MISSING = "needs reference data that are not beside this clone"


def needs(path: Path) -> pytest.MarkDecorator:
    """Skips a test where this file or folder of the reference data is absent."""
    return pytest.mark.skipif(not path.exists(), reason=reason(path))


def present(path: Path) -> Path:
    """The path itself. Skips the running test where it is absent."""
    if not path.exists():
        pytest.skip(reason(path))
    return path


def reason(path: Path) -> str:
    return f"{MISSING}: {path.relative_to(REFERENCE)}"


def closing_line(reasons: Iterable[str]) -> str:
    """What a run says of its skipped tests, by the reason of each; nothing where none needed the reference data."""
    count = sum(MISSING in each for each in reasons)
    where = "../shared/reference/data, which is no part of this repository"
    return f"{count} tests were skipped: each {MISSING} ({where})" if count else ""

"""Tests that lines of pages have 120 characters at most."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.repo.tracked_files import DOCUMENTATION, ROOT

WIDTH = 120
FREE = ("|", "    ", "#")
"""Beginnings of lines that may be longer, because nothing can break them: rows of tables, code and headings."""


def too_long(text: str) -> Iterator[int]:
    """Yields the line number of each prose line that is too long. Targets of links do not count."""
    in_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith(FREE) and len(re.sub(r"\]\([^)\s]*\)", "]", line)) > WIDTH:
            yield number


def test_no_line_of_a_page_is_too_long() -> None:
    assert [f"{path.relative_to(ROOT)}:{number}" for path in DOCUMENTATION for number in too_long(read(path))] == []


def test_a_line_that_is_too_long_is_found() -> None:
    long = "word " * 30
    assert list(too_long(f"short\n{long}\n\n```\n{long}\n```\n| {long} |\n    {long}\n- {long}\n")) == [2, 9]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")

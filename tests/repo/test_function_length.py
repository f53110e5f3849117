"""Tests that no function is longer than a screen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = 60


def test_no_function_of_a_distribution_is_longer_than_a_screen() -> None:
    assert list(long_functions()) == []


def long_functions() -> Iterator[str]:
    for folder in ("proto", "mesh", "services"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    if lines > MOST_LINES:
                        yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines"

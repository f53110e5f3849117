"""Tests that a provider's `worker.py` shows at a glance what the worker declares and answers: it is short, and takes
all that it needs of the kit in one import."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"
MOST_LINES = 110
WORKERS = [
    *(path for path in sorted(PROVIDERS.glob("*/bouquet_*/worker.py")) if path.parts[-3] != "kit"),
    *PROVIDERS.glob("kit/bouquet_worker/template/*/bouquet_*/worker.py"),
]


@pytest.mark.parametrize("path", WORKERS, ids=lambda path: path.parent.name)
def test_a_worker_is_short_and_imports_the_kit_once(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MOST_LINES
    assert [module for module in imported(source) if module.split(".")[0] == "bouquet_worker"] == ["bouquet_worker"]


def imported(source: str) -> list[str]:
    """Returns the name of the module in each import of a source text."""
    statements = list(ast.walk(ast.parse(source)))
    plain = [alias.name for node in statements if isinstance(node, ast.Import) for alias in node.names]
    return plain + [node.module or "" for node in statements if isinstance(node, ast.ImportFrom)]

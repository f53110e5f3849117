"""Tests that helpers which several test modules share are in modules of their own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imported(path: Path) -> Iterator[str]:
    """Yields the names of the modules, and of the names from modules, that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imports_of_tests() -> list[tuple[str, str]]:
    """Returns each import from `tests`: the importing file, and the module with the imported name."""
    files = [path for folder in ("tests", "bench") for path in (ROOT / folder).rglob("*.py")]
    own = (path for path in files if not {"node_modules", ".venv"} & set(path.parts))
    return [(str(path.relative_to(ROOT)), module) for path in own for module in imported(path) if "tests." in module]


def test_no_test_module_is_imported() -> None:
    found = imports_of_tests()
    assert found
    assert [(path, module) for path, module in found if ".test_" in module] == []


def test_shared_helpers_do_not_need_the_folders_that_use_them() -> None:
    shared = [(path, module) for path, module in imports_of_tests() if path.startswith("tests/support/")]
    assert [
        (path, module) for path, module in shared if not module.startswith(("tests.support", "tests.conftest"))
    ] == []

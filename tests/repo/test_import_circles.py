"""Tests that no module imports itself through other modules, not even by imports inside functions or for types."""

from __future__ import annotations

import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]


def imports(*packages: str) -> dict[str, set[str]]:
    graph = grimp.build_graph(*packages, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Returns the modules of one import circle in order, with the first one repeated at the end. The list is empty if
    there is no circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_module_is_in_an_import_cycle() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    graph = imports(*pyproject["tool"]["importlinter"]["root_packages"])
    assert circle(graph) == []


@pytest.mark.parametrize(
    "hidden",
    [
        "def f():\n    from circular import a\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from circular import a\n",
    ],
    ids=["inside a function", "for types alone"],
)
def test_a_hidden_import_cycle_is_found(hidden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "circular"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from circular import b\n")
    (package / "b.py").write_text(hidden)
    monkeypatch.syspath_prepend(tmp_path)
    assert set(circle(imports("circular"))) == {"circular.a", "circular.b"}

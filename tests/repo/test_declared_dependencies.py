"""Each distribution declares what it imports, and nothing that it does not."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted(
    path
    for pattern in ("proto", "mesh", "services/*", "services/providers/*")
    for path in ROOT.glob(f"{pattern}/pyproject.toml")
)
IMPORTED_AS = {
    "aio_pika": "aio-pika",
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry": "opentelemetry-api",
    "prometheus_client": "prometheus-client",
    "pythonjsonlogger": "python-json-logger",
    "yaml": "pyyaml",
}
"""Distributions by the module that is imported, where the names differ. The first that fits counts."""
LOADED_BY_NAME = {"aiosqlite", "asyncpg", "pytest-asyncio"}
"""Drivers that SQLAlchemy imports by the URL of a database; a plugin that pytest finds."""


def declared(manifest: Path) -> set[str]:
    project = tomllib.loads(manifest.read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project.get("optional-dependencies", {}).values() for line in lines]
    return {re.split(r"[\[<>=~; ]", line)[0].lower() for line in [*project["dependencies"], *extras]}


def imported(manifest: Path) -> set[str]:
    package = next(path for path in manifest.parent.glob("bouquet_*") if path.is_dir())
    sources = (path for path in package.rglob("*.py") if "template" not in path.parts)
    modules = {module for path in sources for module in modules_in(ast.parse(path.read_text(encoding="utf-8")))}
    return {distribution_of(module) for module in modules} - {package.name.replace("_", "-"), ""}


def modules_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


def distribution_of(module: str) -> str:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return ""
    known = (name for start, name in IMPORTED_AS.items() if module == start or module.startswith(f"{start}."))
    return next(known, top.replace("_", "-"))


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.parent.name)
def test_a_distribution_declares_what_it_imports(manifest: Path) -> None:
    assert sorted(imported(manifest) - declared(manifest)) == []


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.parent.name)
def test_a_distribution_imports_what_it_declares(manifest: Path) -> None:
    assert sorted(declared(manifest) - imported(manifest) - LOADED_BY_NAME) == []


def test_what_crosses_the_bus_needs_msgspec_alone() -> None:
    assert declared(ROOT / "proto" / "pyproject.toml") == {"msgspec"}

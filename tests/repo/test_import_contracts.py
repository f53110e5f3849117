"""Tests that import-linter knows every package of the repository."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp

ROOT = Path(__file__).parents[2]
LINTER: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


def test_every_package_is_under_the_import_contracts() -> None:
    known = set(LINTER["root_packages"])
    patterns = ("proto/bouquet_*", "mesh/bouquet_*", "services/*/bouquet_*", "services/providers/*/bouquet_*")
    places = (ROOT.glob(pattern) for pattern in patterns)
    assert known == {path.name for paths in places for path in paths if (path / "__init__.py").is_file()}


def test_the_contract_on_the_amqp_client_is_for_every_package() -> None:
    [contract] = [
        one for one in LINTER["contracts"] if "aio_pika" in one.get("forbidden_modules", ()) and "ignore_imports" in one
    ]
    assert contract["source_modules"] == LINTER["root_packages"]


def test_bouquet_proto_imports_only_the_standard_library_and_msgspec() -> None:
    graph = grimp.build_graph("bouquet_proto", include_external_packages=True, cache_dir=None)
    own = graph.find_descendants("bouquet_proto") | {"bouquet_proto"}
    assert graph.modules - own - sys.stdlib_module_names == {"msgspec"}

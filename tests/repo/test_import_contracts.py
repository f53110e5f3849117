"""A distribution that import-linter does not know could import anything: its lists are compared with the folders."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_package_is_under_the_import_contracts() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    known = set(pyproject["tool"]["importlinter"]["root_packages"])
    patterns = ("proto/bouquet_*", "mesh/bouquet_*", "services/*/bouquet_*", "services/providers/*/bouquet_*")
    places = (ROOT.glob(pattern) for pattern in patterns)
    assert known == {path.name for paths in places for path in paths if (path / "__init__.py").is_file()}

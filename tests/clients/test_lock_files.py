"""Tests that npm's lock files contain the hash of every package, but no address of a registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
LOCKS = [lock for lock in sorted(HERE.rglob("package-lock.json")) if "node_modules" not in lock.relative_to(HERE).parts]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.parent.name)
def test_a_lock_file_has_every_hash_and_no_host(lock: Path) -> None:
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    del packages[""]  # the package that is locked itself
    assert packages
    assert {name for name, package in packages.items() if "integrity" not in package} == set()
    assert {name for name, package in packages.items() if "resolved" in package} == set()

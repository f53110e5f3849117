"""Tests that the dependencies set an upper version bound for each library whose internals the code uses, and none for
aiohttp, of which it uses the public names alone."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RELIED_ON = [
    ("mesh", "aio-pika"),  # bouquet_mesh/amqp/ puts a stream of its own beneath it
    ("mesh", "aiormq"),
    ("services/gateway", "aiocache"),  # stores/cache_redis.py extends its classes
    ("services/gateway", "redis"),  # stores/pipelining.py overrides a method of its client
]


@pytest.mark.parametrize(("folder", "library"), RELIED_ON)
def test_a_library_whose_inside_is_relied_on_has_an_upper_bound(folder: str, library: str) -> None:
    [declared] = requirements_of(ROOT / folder / "pyproject.toml", library)
    assert re.search(r"<\d", declared)


def test_aiohttp_has_no_upper_bound() -> None:
    projects = [path for folder in ("mesh", "proto", "services") for path in (ROOT / folder).glob("**/pyproject.toml")]
    declared = [line for project in projects for line in requirements_of(project, "aiohttp")]
    assert declared
    assert [line for line in declared if "<" in line or "==" in line] == []


def requirements_of(project: Path, library: str) -> list[str]:
    """Returns the requirements of a project that name a library, such as `["redis>=8.0,<9"]`."""
    dependencies = tomllib.loads(project.read_text(encoding="utf-8"))["project"].get("dependencies", [])
    return [line for line in dependencies if re.split(r"[\[<>=]", line)[0] == library]

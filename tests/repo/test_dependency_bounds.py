"""Tests that the dependencies set an upper version bound for each library whose internals the code uses."""

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
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [declared] = [line for line in project["dependencies"] if re.split(r"[\[<>=]", line)[0] == library]
    assert re.search(r"<\d", declared)

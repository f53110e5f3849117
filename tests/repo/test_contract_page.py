"""Tests that docs/contract.md names existing tests, and lists every decision and every field that may be null."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.openapi import DOCUMENT
from tests.support.reference import needs
from tests.support.sandbox_gateway import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/\S+::\w+)`", PAGE))))
def test_a_test_that_the_contract_page_names_exists(name: str) -> None:
    file, function = name.split("::")
    assert re.search(rf"def {function}\(", (ROOT / file).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "mark", [f"D{n}" for n in range(1, 18)] + [f"V{n}" for n in (1, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15)]
)
def test_the_contract_page_mentions_every_decision_and_deviation(mark: str) -> None:
    assert re.search(rf"\b{mark}\b", PAGE)


@needs(DOCUMENT)
def test_the_contract_page_lists_every_nullable_field() -> None:
    document = yaml.load(DOCUMENT.read_bytes(), Loader=yaml.CSafeLoader)
    departures = set()
    for path in document["paths"].values():
        answer = path["get"]["responses"]["200"]
        if answer["x-operationId"] in OPERATIONS:
            theirs = answer["content"]["application/json"]["schema"]["properties"]["data"]
            ours = OPERATIONS[answer["x-operationId"]].schema
            departures |= set(_nullable(ours)) - set(_nullable(theirs, document))
    assert {field for field in departures if f"`{field}`" not in PAGE} == set()
    assert len(departures) > 30


def _nullable(node: Any, document: Any = None, path: str = "") -> Iterator[str]:
    """Yields the dotted paths of nullable fields in an OpenAPI 3.0 or JSON schema."""
    match node:
        case {"$ref": str(reference)}:
            target = document
            for step in reference.removeprefix("#/").split("/"):
                target = target[step]
            yield from _nullable(target, document, path)
        case {"anyOf": [*options]}:
            if {"type": "null"} in options:
                yield path
            for option in options:
                yield from _nullable(option, document, path)
        case dict():
            if node.get("nullable") or None in node.get("enum", ()):
                yield path
            for name, member in node.get("properties", {}).items():
                yield from _nullable(member, document, f"{path}.{name}".lstrip("."))
            if "items" in node:
                yield from _nullable(node["items"], document, f"{path}[]")

"""Tests of `holds`, which checks that a generated client has read all of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.generators.trials import holds


@pytest.mark.parametrize(
    ("read", "body", "is_whole"),
    [
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}]}, True),
        ({"a": 1, "b": None}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"a": None}, {"a": 1}, False),
        ({}, {"a": None}, False),
        ([1], [1, 2], False),
        (None, "pong", False),
        (None, {"a": 1}, False),
    ],
)
def test_missing_and_invented_fields_of_a_client_are_detected(read: Any, body: Any, is_whole: bool) -> None:
    assert holds(read, body) is is_whole

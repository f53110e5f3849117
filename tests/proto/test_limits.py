"""Tests of counting the elements, bytes and depth of a reply without decoding it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from bouquet_proto.limits import ALLOWED_META, MAX_DEPTH, ReplyLimits, excess_of
from bouquet_proto.messages import Failed, Found, NotFound

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a,[]{}"\\é\n', max_size=8),
    lambda node: (
        st.lists(node, max_size=6) | st.dictionaries(st.text(alphabet='a,[{"\\', max_size=4), node, max_size=6)
    ),
    max_leaves=60,
)


def elements_in(node: Any) -> int:
    match node:
        case dict():
            return len(node) + sum(map(elements_in, node.values()))
        case list():
            return len(node) + sum(map(elements_in, node))
        case _:
            return 0


def found(text: bytes) -> Found:
    return Found(Raw(text))


@given(JSON)
def test_elements_of_a_reply_are_counted_exactly_whatever_its_texts_hold(node: Any) -> None:
    for text in (msgspec.json.encode(node), msgspec.json.format(msgspec.json.encode(node), indent=2)):
        count = elements_in(node)
        assert excess_of(found(text), ReplyLimits(elements=count)) == ""
        if count:
            assert excess_of(found(text), ReplyLimits(elements=count - 1)) == "too many elements"


def test_the_size_limit_of_a_reply_is_in_bytes() -> None:
    assert excess_of(found(b'"' + "é".encode() * 9 + b'"'), ReplyLimits(size_bytes=20)) == ""
    assert excess_of(found(b'"' + "é".encode() * 9 + b'"'), ReplyLimits(size_bytes=19)) == "too large"


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_depth_limit_of_a_reply_counts_lists_and_objects(opening: bytes, closing: bytes) -> None:
    assert excess_of(found(opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH)) == ""
    assert excess_of(found(opening * (MAX_DEPTH + 1) + b"1" + closing * (MAX_DEPTH + 1))) == "too deep"
    assert excess_of(found(b"[" + b",".join([opening + b"1" + closing] * 500) + b"]")) == ""


@pytest.mark.parametrize("name", [name for name, length in ALLOWED_META.items() if length])
def test_texts_in_the_meta_of_a_reply_have_a_longest_length(name: str) -> None:
    assert excess_of(NotFound("unknown_person", {name: "x" * ALLOWED_META[name]})) == ""
    assert excess_of(NotFound("unknown_person", {name: "x" * (ALLOWED_META[name] + 1)})) == "meta not allowed"


def test_the_wait_that_a_failure_announces_is_at_most_a_day() -> None:
    for wait_s in (None, 0, 86_400):
        assert excess_of(Failed("upstream_unavailable", retry_in_s=wait_s)) == ""
    for wait_s in (-1, 86_401, 2**60):
        assert excess_of(Failed("upstream_unavailable", retry_in_s=wait_s)) == "meta not allowed"


def test_numbers_in_the_meta_of_a_reply_have_a_largest_value() -> None:
    assert excess_of(Failed("upstream_unavailable", meta={"retry_in": 86_400})) == ""
    for wait_s in (-1, 86_401, 2**53):
        assert excess_of(Failed("upstream_unavailable", meta={"retry_in": wait_s})) == "meta not allowed"
    assert excess_of(Failed("upstream_unavailable", meta={"retry_in": "soon"})) == "meta not allowed"

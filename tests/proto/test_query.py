from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouquet_proto.query import (
    MALFORMED,
    MAX_VALUE_LENGTH,
    Malformed,
    Query,
    checked_value,
    leading_integer,
    parse_query,
)

COUNTS = (2_000, 64_000)
"""Numbers of items of a short and a long list."""
FACTOR = 32


def test_a_query_value_is_decoded() -> None:
    assert parse_query("nom=No%C3%ABl+L%27Été").scalar("nom") == "Noël L'Été"


def test_an_absent_query_value_is_none() -> None:
    query = parse_query("")
    assert query.scalar("nom") is None
    assert query.list("nom") is None


def test_a_query_value_can_contain_an_equals_sign() -> None:
    assert parse_query("a=b=c").scalar("a") == "b=c"


def test_the_last_of_a_repeated_query_value_is_kept() -> None:
    assert parse_query("annee=2024&annee=2025").scalar("annee") == "2025"


def test_a_query_list_keeps_its_order() -> None:
    assert parse_query("prenoms[]=B&prenoms%5B%5D=A").list("prenoms") == ("B", "A")


def test_a_query_list_without_an_equals_sign_is_empty() -> None:
    assert parse_query("prenoms[]").list("prenoms") == ()


def test_a_query_list_is_malformed_as_a_scalar() -> None:
    assert parse_query("nom[]=A").scalar("nom") == MALFORMED


def test_a_query_scalar_is_malformed_as_a_list() -> None:
    assert parse_query("prenoms=A").list("prenoms") == MALFORMED


def test_a_query_name_given_as_scalar_and_list_is_malformed() -> None:
    query = parse_query("nom=A&nom[]=B")
    assert query.scalar("nom") == query.list("nom") == MALFORMED


READERS: dict[str, Callable[[int], Callable[[], object]]] = {
    "a query string": lambda count: partial(parse_query, "a[]=1&" * count),
    "values": lambda count: partial(checked_value, ["1"] * count),
}


@pytest.mark.parametrize("given", READERS)
def test_the_work_for_a_query_list_grows_no_faster_than_the_list(given: str) -> None:
    short, long = (min(timeit.repeat(READERS[given](count), timer=time.process_time, number=1)) for count in COUNTS)
    assert long < FACTOR**1.5 * short  # as fast as the square, it would be `FACTOR**2`


@pytest.mark.parametrize("text", ["prenoms[0]=A", "prenoms[][a]=A", "prenoms[=A", "prenoms[]=A&prenoms[a]=B"])
def test_nested_query_structures_are_malformed(text: str) -> None:
    assert parse_query(text).list("prenoms") == MALFORMED


@pytest.mark.parametrize("value", ["A%0AB", "A%0D", "%00", "A%09B", "A%C2%85B", "A%E2%80%A8B", "%7F"])
def test_a_query_value_with_a_line_break_is_malformed(value: str) -> None:
    assert parse_query(f"nom={value}").scalar("nom") == MALFORMED


def test_a_query_value_that_is_not_utf8_is_malformed() -> None:
    assert parse_query("nom=%E9t%E9").scalar("nom") == MALFORMED


def test_a_query_list_with_a_malformed_item_is_malformed() -> None:
    assert parse_query("prenoms[]=A&prenoms[]=%FF&prenoms[]=B").list("prenoms") == MALFORMED


def test_a_query_value_passed_as_surrogates_is_decoded() -> None:
    assert parse_query("nom=Noël".encode().decode("ascii", "surrogateescape")).scalar("nom") == "Noël"


def test_a_too_long_query_value_is_malformed() -> None:
    assert parse_query("nom=" + "A" * MAX_VALUE_LENGTH).scalar("nom") == "A" * MAX_VALUE_LENGTH
    assert parse_query("nom=" + "A" * (MAX_VALUE_LENGTH + 1)).scalar("nom") == MALFORMED


def test_a_query_pair_with_a_malformed_name_is_ignored() -> None:
    query = parse_query("%FF=A&nom=B")
    assert query.given == {"nom": "B"}


def test_a_malformed_query_value_keeps_no_text() -> None:
    assert "DURANT" not in repr(parse_query("nom=DURANT%00"))


queries = st.text() | st.text(alphabet="a=&[]%+0F\n\udcff", max_size=40)


@given(queries)
def test_no_text_makes_the_query_parser_raise(text: str) -> None:
    parse_query(text)


values = st.text() | st.text(alphabet="a%+\n\udcff", min_size=250, max_size=260)


@given(st.dictionaries(st.sampled_from(["nom", "prenoms", "mois"]), values | st.lists(values, max_size=3)))
def test_checked_values_are_those_of_their_query_string(given: dict[str, str | list[str]]) -> None:
    pairs = [(name, value) if isinstance(value, str) else (f"{name}[]", value) for name, value in given.items()]
    checked = {name: checked_value(value) for name, value in given.items() if value != []}
    assert Query(checked) == parse_query(urlencode(pairs, doseq=True, errors="surrogateescape"))


@given(st.binary())
def test_no_bytes_make_the_query_parser_raise(body: bytes) -> None:
    parse_query(body.decode("utf-8", "surrogateescape"))
    parse_query(body.decode("latin-1"))


@given(queries)
def test_every_parsed_query_value_is_one_line_of_unicode(text: str) -> None:
    for value in parse_query(text).given.values():
        for item in value if isinstance(value, tuple) else (value,):
            assert isinstance(item, Malformed) or (item.encode() and len(item.splitlines()) == 1) or not item


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("07", 7),
        ("12abc", 12),
        (" 12", 12),
        ("-3", -3),
        ("12.9", 12),
        ("", 0),
        ("abc", 0),
        ("١٢", 0),
        ("9" * 200, 999999999999999999),
    ],
)
def test_an_integer_is_read_from_the_start_of_a_text(text: str, number: int) -> None:
    assert leading_integer(text) == number

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouquet_proto.query import MALFORMED, MAX_VALUE_LENGTH, Malformed, leading_integer, parse_query


def test_a_value_is_decoded() -> None:
    assert parse_query("nom=No%C3%ABl+L%27Été").scalar("nom") == "Noël L'Été"


def test_an_absent_value_is_none() -> None:
    query = parse_query("")
    assert query.scalar("nom") is None
    assert query.list("nom") is None


def test_a_value_may_hold_an_equals_sign() -> None:
    assert parse_query("a=b=c").scalar("a") == "b=c"


def test_the_last_of_a_repeated_value_wins() -> None:
    assert parse_query("annee=2024&annee=2025").scalar("annee") == "2025"


def test_a_list_keeps_its_order() -> None:
    assert parse_query("prenoms[]=B&prenoms%5B%5D=A").list("prenoms") == ("B", "A")


def test_a_list_without_an_equals_sign_is_empty() -> None:
    assert parse_query("prenoms[]").list("prenoms") == ()


def test_a_list_is_a_wrong_type_for_a_text() -> None:
    assert parse_query("nom[]=A").scalar("nom") == MALFORMED


def test_a_text_is_a_wrong_type_for_a_list() -> None:
    assert parse_query("prenoms=A").list("prenoms") == MALFORMED


def test_a_name_given_both_ways_is_of_no_type() -> None:
    query = parse_query("nom=A&nom[]=B")
    assert query.scalar("nom") == query.list("nom") == MALFORMED


@pytest.mark.parametrize("text", ["prenoms[0]=A", "prenoms[][a]=A", "prenoms[=A", "prenoms[]=A&prenoms[a]=B"])
def test_deeper_structures_are_wrong_types(text: str) -> None:
    assert parse_query(text).list("prenoms") == MALFORMED


@pytest.mark.parametrize("value", ["A%0AB", "A%0D", "%00", "A%09B", "A%C2%85B", "A%E2%80%A8B", "%7F"])
def test_what_breaks_a_line_is_malformed(value: str) -> None:
    assert parse_query(f"nom={value}").scalar("nom") == MALFORMED


def test_what_is_not_utf8_is_malformed() -> None:
    assert parse_query("nom=%E9t%E9").scalar("nom") == MALFORMED


def test_one_malformed_item_spoils_its_list() -> None:
    assert parse_query("prenoms[]=A&prenoms[]=%FF&prenoms[]=B").list("prenoms") == MALFORMED


def test_utf8_that_the_server_left_undecoded_is_read() -> None:
    assert parse_query("nom=Noël".encode().decode("ascii", "surrogateescape")).scalar("nom") == "Noël"


def test_a_value_longer_than_any_name_is_malformed() -> None:
    assert parse_query("nom=" + "A" * MAX_VALUE_LENGTH).scalar("nom") == "A" * MAX_VALUE_LENGTH
    assert parse_query("nom=" + "A" * (MAX_VALUE_LENGTH + 1)).scalar("nom") == MALFORMED


def test_an_unreadable_name_is_nobodys() -> None:
    query = parse_query("%FF=A&nom=B")
    assert query.scalars == {"nom": "B"}


def test_a_malformed_value_is_forgotten() -> None:
    assert "DURANT" not in repr(parse_query("nom=DURANT%00"))


queries = st.text() | st.text(alphabet="a=&[]%+0F\n\udcff", max_size=40)


@given(queries)
def test_no_text_makes_it_raise(text: str) -> None:
    parse_query(text)


@given(st.binary())
def test_no_bytes_make_it_raise(body: bytes) -> None:
    parse_query(body.decode("utf-8", "surrogateescape"))
    parse_query(body.decode("latin-1"))


@given(queries)
def test_whatever_is_kept_is_one_line_of_unicode(text: str) -> None:
    for value in parse_query(text).scalars.values():
        assert isinstance(value, Malformed) or (value.encode() and len(value.splitlines()) == 1) or not value


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
def test_an_integer_is_what_a_text_begins_with(text: str, number: int) -> None:
    assert leading_integer(text) == number

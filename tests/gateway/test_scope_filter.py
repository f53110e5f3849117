from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from bouquet_gateway.lookup.scope_filter import filter_data

FIELDS = {
    "numero": ("read_numero",),
    "adresse": ("read_adresse", "read_all"),
    "adresse.rue": ("read_rue",),
    "enfants.nom": ("read_nom",),
}
DATA = (
    b'{"numero": 1.50, "adresse": {"rue": "x", "ville": "y"}, "enfants": [{"nom": "a", "age": 1}, {"age": 2}], "o": 1}'
)


def filtered(*scopes: str, data: bytes = DATA, fields: dict[str, tuple[str, ...]] | None = None) -> Any:
    return msgspec.json.decode(filter_data(Raw(data), FIELDS if fields is None else fields, frozenset(scopes)))


def test_data_without_closed_fields_is_unchanged() -> None:
    data = Raw(DATA)
    assert filter_data(data, FIELDS, frozenset({"read_numero", "read_all", "read_rue", "read_nom"})) is data


def test_a_closed_field_is_absent_and_not_null() -> None:
    assert "numero" not in filtered("read_all", "read_rue", "read_nom")


def test_a_field_without_scopes_is_open() -> None:
    assert filtered()["o"] == 1


def test_one_of_several_scopes_opens_a_field() -> None:
    assert filtered("read_all", "read_rue") == filtered("read_adresse", "read_rue")


def test_a_closed_field_is_removed_with_its_children() -> None:
    assert "adresse" not in filtered("read_rue")


def test_a_field_may_be_closed_in_an_open_parent() -> None:
    assert filtered("read_all")["adresse"] == {"ville": "y"}


def test_fields_within_lists_are_closed() -> None:
    assert filtered()["enfants"] == [{"age": 1}, {"age": 2}]


def test_fields_within_lists_of_lists_are_closed() -> None:
    assert filtered(data=b'{"enfants": [[{"nom": "a"}]]}') == {"enfants": [[{}]]}


@pytest.mark.parametrize("value", [b"null", b'"text"', b"7", b"[]", b"{}", b"[null, 1]"])
def test_a_closed_path_that_does_not_exist_changes_nothing(value: bytes) -> None:
    assert filtered(data=b'{"enfants":' + value + b"}") == {"enfants": msgspec.json.decode(value)}


def test_a_field_whose_name_has_json_escapes_is_closed() -> None:
    assert filtered(data=rb'{"\u006eumero": 1}') == {}


def test_a_field_that_occurs_twice_is_removed_twice() -> None:
    assert filtered(data=b'{"numero": 1, "numero": 2}') == {}


def test_open_fields_keep_their_exact_bytes() -> None:
    data = Raw(b'{"numero": 1, "open": {"n":1.50, "t":"\\u00e9", "big":12345678901234567890}}')
    assert bytes(filter_data(data, FIELDS, frozenset())) == (
        b'{"open":{"n":1.50, "t":"\\u00e9", "big":12345678901234567890}}'
    )


def test_a_field_with_an_empty_list_of_scopes_is_closed_to_all() -> None:
    assert filtered("read_all", fields={"numero": ()}, data=b'{"numero": 1}') == {}


NAMES = st.sampled_from("abc")
TREES = st.recursive(
    st.none() | st.integers(), lambda nodes: st.lists(nodes, max_size=3) | st.dictionaries(NAMES, nodes), max_leaves=12
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
SCOPES = st.sets(st.sampled_from(["s1", "s2", "s3"]))


def leaves(node: Any, path: str = "") -> list[tuple[str, object]]:
    """Returns the dotted path of each object member in a JSON value, paired with None, and the path of each scalar,
    paired with its value."""
    # A pair with the value None shows that a path exists.
    match node:
        case dict():
            members = [(f"{path}.{name}".lstrip("."), value) for name, value in node.items()]
            return [pair for inner, value in members for pair in [(inner, None), *leaves(value, inner)]]
        case list():
            return [pair for item in node for pair in leaves(item, path)]
        case _:
            return [(path, node)]


@given(TREES, st.dictionaries(PATHS, SCOPES.map(tuple)), SCOPES)
def test_exactly_the_fields_under_no_closed_path_remain(
    tree: object, fields: dict[str, tuple[str, ...]], scopes: set[str]
) -> None:
    closed = {path for path, opening in fields.items() if scopes.isdisjoint(opening)}
    kept = filtered(*scopes, data=msgspec.json.encode(tree), fields=fields)
    expected = [
        (path, value)
        for path, value in leaves(tree)
        if not any(path == other or path.startswith(f"{other}.") for other in closed)
    ]
    assert leaves(kept) == expected

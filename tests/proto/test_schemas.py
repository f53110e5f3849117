"""Tests of JSON schemas made from structs."""

from __future__ import annotations

from msgspec import Struct

from bouquet_proto.schemas import schema_of


class Person(Struct):
    """Personne dont le titre
    tient sur deux lignes"""

    nom: str


def test_the_description_of_a_schema_has_no_indentation_of_its_source_on_any_python() -> None:
    assert schema_of(Person, {})["description"] == "Personne dont le titre\ntient sur deux lignes"

"""Tests of the persons named in an answer, with recorded cases and with unusual dates and names."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from bouquet_gateway.lookup.people import MAX_PEOPLE, people_named
from bouquet_mesh.pseudonym import NamedPerson
from bouquet_proto.messages import Found
from bouquet_proto.offer import Operation, People
from bouquet_worker.testing import Case, Conformance
from tests.support.offers import dossier
from tests.support.scripted_providers import offers

PROVIDERS = ("ants", "cnaf", "cnous", "dss", "france_travail", "men", "mesr", "msa", "sdh")

UNDATED = "co_holder_of_unknown_address"
"""Name of the only case whose provider does not know the person's birth date."""


def _answers() -> Iterator[tuple[Operation, Case]]:
    """Yields each recorded case that contains data, with its operation, if the operation's answers name persons."""
    for provider in PROVIDERS:
        module = importlib.import_module(f"tests.providers.test_conformance_{provider}")
        for suite in vars(module).values():
            if isinstance(suite, type) and issubclass(suite, Conformance) and suite is not Conformance:
                operations = {operation.id: operation for operation in suite.worker.offer().operations}
                for case in suite.cases:
                    if isinstance(case.reply, Found) and operations[case.operation].people:
                        yield operations[case.operation], case


ANSWERS = list(_answers())


@pytest.mark.parametrize(("operation", "case"), ANSWERS, ids=[f"{one.id}-{case.name}" for one, case in ANSWERS])
def test_persons_in_every_kind_of_answer_are_found(operation: Operation, case: Case) -> None:
    assert isinstance(case.reply, Found)
    people = people_named(case.reply.data, operation)
    assert people
    assert all(person.nom_naissance for person in people)
    assert case.name == UNDATED or all(person.date_naissance > "0000-00-00" for person in people)


NAME_FIELDS = {"prenom", "prenoms", "nom_naissance", "nomNaissance", "nomPrenom"}
"""Names that offers give to fields with a person's name, beside `nom`, which establishments have too."""


def _places_of_names(schema: Any, definitions: Any, at: str = "") -> Iterator[str]:
    """Yields the dotted path of each object in a JSON schema that has a field with a person's name."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    fields = schema.get("properties", {})
    if not NAME_FIELDS.isdisjoint(fields):
        yield at
    for part in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])):
        yield from _places_of_names(part, definitions, at)
    for name, part in fields.items():
        yield from _places_of_names(part, definitions, f"{at}.{name}".lstrip("."))


def test_each_offered_operation_declares_where_its_answers_name_persons() -> None:
    undeclared = [
        (operation.id, at)
        for offer in offers()
        for operation in offer.operations
        for at in _places_of_names(operation.schema, operation.schema.get("$defs", {}))
        if at not in {people.at for people in operation.people}
    ]
    assert undeclared == []


def test_each_offered_operation_whose_answers_name_persons_is_covered() -> None:
    named = {one.id for offer in offers() for one in offer.operations if one.people}
    assert named - {operation.id for operation, _ in ANSWERS} == set()


def named(data: Any, **where: Any) -> list[tuple[str, str, str]]:
    operation = dossier(people=(People(**where),))
    found = people_named(Raw(msgspec.json.encode(data)), operation)
    return [(one.nom_naissance, one.prenom, one.date_naissance) for one in found]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1989-06-14", "1989-06-14"),
        ("1989-06-14T00:00:00+02:00", "1989-06-14"),
        ("14061989", "1989-06-14"),
        ("1989-06-00", "1989-06-00"),
        ("1989-00-14", "1989-00-00"),
        ("0000-06-14", "0000-00-00"),
        ("0000-00-00", "0000-00-00"),
        ("14 juin 1989", "0000-00-00"),
        (None, "0000-00-00"),
        (19890614, "0000-00-00"),
    ],
)
def test_the_known_parts_of_a_birth_date_are_read(written: Any, read: str) -> None:
    person = {"nom_naissance": "DURANT", "prenoms": "PAUL", "date_naissance": written}
    assert named(person) == [("DURANT", "PAUL", read)]


def test_a_birth_date_in_three_fields_is_read_as_one() -> None:
    person = {"nom_naissance": "DURANT", "prenoms": "PAUL", "annee": "1990", "mois": "01", "jour": None}
    assert named(person, naissance=("annee", "mois", "jour")) == [("DURANT", "PAUL", "1990-01-00")]


@pytest.mark.parametrize("prenoms", ["PAUL JEAN", ["PAUL", "JEAN"], ["PAUL JEAN"]])
def test_the_first_of_several_first_names_is_read(prenoms: Any) -> None:
    person = {"nom_naissance": "DURANT", "prenoms": prenoms, "date_naissance": "1990-01-02"}
    assert named(person) == [("DURANT", "PAUL", "1990-01-02")]


def test_names_in_one_field_are_split_in_every_way() -> None:
    person = {"nomPrenom": "LE GOUADEC MAELYS", "date_naissance": "14061989"}
    pairs = [(nom, prenom) for nom, prenom, _ in named(person, nom="nomPrenom", prenoms="nomPrenom")]
    assert ("LE GOUADEC", "MAELYS") in pairs
    assert len(pairs) == 4


@pytest.mark.parametrize("data", [{}, [], None, 1, "DURANT", {"nom_naissance": None}, {"nom_naissance": {"a": 1}}])
def test_an_answer_without_a_name_has_no_person(data: Any) -> None:
    assert named(data) == []


def test_persons_in_lists_of_lists_are_found() -> None:
    children = [{"nom_naissance": "DURANT", "prenoms": name, "date_naissance": "2020-01-02"} for name in ("ZOE", "LOU")]
    told = [("DURANT", "ZOE", "2020-01-02"), ("DURANT", "LOU", "2020-01-02")]
    assert named({"foyer": [{"enfants": children[:1]}, {}, {"enfants": [children[1:]]}]}, at="foyer.enfants") == told


def test_persons_of_one_answer_are_limited() -> None:
    crowd = [{"nom_naissance": f"N{n}"} for n in range(MAX_PEOPLE + 1)]
    assert len(named(crowd)) == MAX_PEOPLE


def test_a_person_found_has_neither_sex_nor_place_of_birth() -> None:
    operation = dossier(people=(People(),))
    data = {"nom_naissance": "DURANT", "sexe": "M", "code_cog_insee_commune_naissance": "29019"}
    assert people_named(Raw(msgspec.json.encode(data)), operation) == (NamedPerson("DURANT", "", "0000-00-00"),)


def test_an_answer_with_endless_names_is_read_in_bounded_time() -> None:
    assert len(named({"nomPrenom": "a " * 30_000}, nom="nomPrenom", prenoms="nomPrenom")) <= MAX_PEOPLE
    assert named([{}] * 5_000) == []

"""Persons named in an answer, for the access journal. Providers match loosely, and may find another person than the
one asked about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Raw

from bouquet_proto.identity import Identite
from bouquet_proto.offer import Operation, People

MAX_PEOPLE = 256
"""Largest number of objects read, and of persons found, in one answer."""
MAX_WORDS = 10
"""Largest number of words read in a field that holds both names of a person."""
ISO_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
DAY_FIRST = re.compile(r"(\d\d)(\d\d)(\d{4})", re.ASCII)


def people_named(data: Raw, operation: Operation) -> tuple[Identite, ...]:
    """Returns the persons named in an answer, at most `MAX_PEOPLE`, with family name, first name and birth date."""
    # The operation declares in `people` where its answers name persons.
    # If one field holds both names, it does not tell which name comes first or where the second begins. One person is
    # then returned for each reading of the field.
    if not operation.people:
        return ()
    whole = msgspec.json.decode(data)
    objects = [(node, fields) for fields in operation.people for node in _nodes(whole, fields.at)]
    named = (person for node, fields in objects[:MAX_PEOPLE] for person in _read(node, fields))
    return tuple(islice(named, MAX_PEOPLE))


def _nodes(whole: Any, path: str) -> list[Mapping[str, Any]]:
    """Returns the objects at a dotted path such as `foyer.enfants`. A list on the path stands for its items."""
    nodes = _objects(whole)
    for step in filter(None, path.split(".")):
        nodes = [child for node in nodes for child in _objects(node.get(step))]
    return nodes


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return [found for item in value for found in _objects(item)]
    return []


def _read(node: Mapping[str, Any], fields: People) -> Iterator[Identite]:
    year, month, day = _birth([node.get(name) for name in fields.naissance])
    for nom, prenom in _names(node, fields):
        yield Identite(
            nom_naissance=nom,
            prenoms=(prenom,) if prenom else (),
            annee_date_naissance=year,
            mois_date_naissance=month,
            jour_date_naissance=day,
        )


def _names(node: Mapping[str, Any], fields: People) -> Iterator[tuple[str, str]]:
    """Yields the family name and the first given name of a person. If one field holds both, yields every possible
    reading."""
    nom, prenoms = _text(node.get(fields.nom)), _text(node.get(fields.prenoms))
    if not nom:
        return
    if fields.prenoms != fields.nom:
        yield nom, next(iter(prenoms.split()), "")
        return
    words = nom.split()[:MAX_WORDS]
    for cut in range(1, len(words)):  # the order of the two names is not known
        yield " ".join(words[:cut]), words[cut]
        yield " ".join(words[cut:]), words[0]


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case [str() as first, *_]:
            return first
        case _:
            return ""


def _birth(parts: Sequence[Any]) -> tuple[int | None, int | None, int | None]:
    """Returns year, month and day of birth, from three parts or from one text (`2005-06-17`, `17062005`). An unknown
    part is `None`."""
    match parts:
        case [str() as text]:
            if found := ISO_DAY.match(text):
                year, month, day = found.groups()
            elif found := DAY_FIRST.fullmatch(text):
                day, month, year = found.groups()
            else:
                return None, None, None
            return int(year) or None, int(month) or None, int(day) or None
        case [year, month, day]:
            return _known(year), _known(month), _known(day)
    return None, None, None


def _known(part: Any) -> int | None:
    text = str(part)
    return int(text) or None if text.isascii() and text.isdecimal() and len(text) <= 4 else None

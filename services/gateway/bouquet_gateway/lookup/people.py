"""Whom an answer is about: providers match loosely, and may find somebody else than was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Raw

from bouquet_proto.identity import Identite
from bouquet_proto.offer import Operation, People

MOST = 256
"""Objects that are looked at in one answer, and ways to read the names in them; a household has a tenth of it."""
MOST_WORDS = 10
"""Of a field that holds name and first name."""
ISO_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
DAY_FIRST = re.compile(r"(\d\d)(\d\d)(\d{4})", re.ASCII)


def people_named(data: Raw, operation: Operation) -> tuple[Identite, ...]:
    """The people that an answer names where its offer says so, each by name, first name and birth date. `MOST` at most.

    A field that holds name and first name gives one person for each way to part them.
    """
    if not operation.people:
        return ()
    whole = msgspec.json.decode(data)
    objects = [(node, one) for one in operation.people for node in _nodes(whole, one.at)]
    named = (person for node, one in objects[:MOST] for person in _read(node, one))
    return tuple(islice(named, MOST))


def _nodes(whole: Any, path: str) -> list[Mapping[str, Any]]:
    """The objects at the end of a path, through lists."""
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


def _read(node: Mapping[str, Any], where: People) -> Iterator[Identite]:
    year, month, day = _birth([node.get(name) for name in where.naissance])
    for nom, prenom in _names(node, where):
        yield Identite(
            nom_naissance=nom,
            prenoms=(prenom,) if prenom else (),
            annee_date_naissance=year,
            mois_date_naissance=month,
            jour_date_naissance=day,
        )


def _names(node: Mapping[str, Any], where: People) -> Iterator[tuple[str, str]]:
    """Pairs of a name and the first word of the first names."""
    nom, prenoms = _text(node.get(where.nom)), _text(node.get(where.prenoms))
    if not nom:
        return
    if where.prenoms != where.nom:
        yield nom, next(iter(prenoms.split()), "")
        return
    words = nom.split()[:MOST_WORDS]
    for cut in range(1, len(words)):  # nobody says which comes first
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
    """Year, month and day; `None` for what is not known."""
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

"""Persons whom an answer names, read for the access journal."""
# A provider may find another person than the caller has asked about.

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Raw

from bouquet_gateway.offers.data_paths import objects_at
from bouquet_mesh.pseudonym import NamedPerson, first_word
from bouquet_proto.offer import Operation, People

MAX_PEOPLE = 256
"""Largest number of persons that are read from one answer, to limit the work for a long answer."""
# Also the largest number of objects in which persons are searched.
MAX_WORDS = 10
"""Largest number of words that are read in a field that holds a person's full name."""
KNOWN_MONTH = re.compile(r"(?!0000)\d{4}-(?!00)\d\d-\d\d", re.ASCII)
"""Pattern of a date whose year and month are known; the day may be unknown, as in `2005-06-00`. Providers write unknown
parts as zeros."""
ISO_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
DAY_FIRST = re.compile(r"(\d\d)(\d\d)(\d{4})", re.ASCII)


def people_named(data: Raw, operation: Operation) -> tuple[NamedPerson, ...]:
    """Returns the persons whom an answer names, at the places that its operation declares; at most `MAX_PEOPLE`."""
    # The operation declares in `people` where its answers name persons.
    # If one field holds both names, it does not tell which name comes first or where the second begins. One person is
    # then returned for each reading of the field.
    if not operation.people:
        return ()
    whole = msgspec.json.decode(data)
    objects = [(node, fields) for fields in operation.people for node in objects_at(whole, fields.at)]
    named = (person for node, fields in objects[:MAX_PEOPLE] for person in _people_of(node, fields))
    return tuple(islice(named, MAX_PEOPLE))


def _people_of(node: Mapping[str, Any], fields: People) -> list[NamedPerson]:
    """Returns the person that the JSON object `node` describes, or an empty list if the object has no name. `fields`
    names the object's fields for name and birth date.

    If one field holds the full name, returns a person for each way to divide it into two names.
    """
    nom = _text(node.get(fields.nom))
    if not nom:
        return []
    born = birth_date(tuple(map(node.get, fields.naissance)))
    if fields.prenoms != fields.nom:
        return [NamedPerson(nom, first_word(_text(node.get(fields.prenoms))), born)]
    words = nom.split()[:MAX_WORDS]
    cuts = range(1, len(words))  # the order of the two names is not known
    names = [pair for cut in cuts for pair in ((words[:cut], words[cut]), (words[cut:], words[0]))]
    return [NamedPerson(" ".join(family), given, born) for family, given in names]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value[0] if isinstance(value, list) and value and isinstance(value[0], str) else ""


def birth_date(parts: Sequence[Any]) -> str:
    """Returns a birth date as `YYYY-MM-DD`, with zeros for what is unknown. `parts` holds either year, month and day,
    or one text such as `2005-06-17` or `17062005`."""
    year, month, day = "0000", "00", "00"
    match parts:
        case [str() as text]:
            if known := KNOWN_MONTH.match(text):
                return known[0]
            if found := ISO_DAY.match(text):
                year, month, day = found.groups()
            elif found := DAY_FIRST.fullmatch(text):
                day, month, year = found.groups()
        case [_, _, _]:
            year, month, day = f"{_known(parts[0]):04}", f"{_known(parts[1]):02}", f"{_known(parts[2]):02}"
    if year == "0000":
        month = "00"
    return f"{year}-{month}-{day if month != '00' else '00'}"


def _known(part: Any) -> int:
    text = str(part)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else 0

"""Search for a citizen among the natural persons whom the State's register (SIV) attaches to a vehicle
(docs/reference/upstreams/ants.md §4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from bouquet_ants.upstream import Attached, Person, VehicleRecord
from bouquet_worker import Identite, day_or_none, to_ascii

NEW_PLATE = re.compile(r"[A-Z]{2}-\d{3}-[A-Z]{2}", re.ASCII)
"""Pattern of the number plates in use since 2009, such as `AB-123-CD`. Any other plate belongs to a record from the
former register of vehicles."""
_SEPARATORS = re.compile(r"[^A-Z0-9]+")


class Name(Struct, frozen=True):
    """Birth name and first names of a person, as written in the SIV, the State's register of vehicles."""

    nom: str
    prenoms: tuple[str, ...]


class Match(Struct, frozen=True):
    """Person in a vehicle's record who has the same birth name as the citizen, and a first name in common.
    `same_birth_date` tells whether the birth dates are equal too."""

    attached: Attached
    name: Name
    same_birth_date: bool


def find_citizen(who: Identite, record: VehicleRecord) -> Match | None:
    """Searches a vehicle's record for the citizen: the first natural person with the same birth name and a first name
    in common. Returns `None` if there is no such person."""
    is_former = not NEW_PLATE.fullmatch(record.registration.num_immat)
    for attached in record.people:
        for name in _readings(attached.person, is_former=is_former):
            if _is_same(who.nom_naissance, name.nom) and _share_first_name(who.prenoms, name.prenoms):
                born = day_or_none(attached.person.date_naissance)
                return Match(attached, name, born == who.date_naissance())
    return None


def _readings(person: Person, *, is_former: bool) -> Iterator[Name]:
    """Yields every way to divide a person's name into birth name and first names. `LE GALL ANNE` in the former register
    may be `LE` and `GALL ANNE`, or `LE GALL` and `ANNE`."""
    if person.prenom or not is_former:
        yield Name(person.nom_naiss, (person.prenom,))
        return
    words = person.nom_naiss.split()
    for length in range(1, len(words)):
        yield Name(" ".join(words[:length]), tuple(words[length:]))


def _share_first_name(some: Iterable[str], others: tuple[str, ...]) -> bool:
    return any(_is_one_of(a, b) or _is_one_of(b, a) for a in some for b in others)


def _is_one_of(word: str, name: str) -> bool:
    """Returns whether `name` is equal to `word` or contains the word: `JEAN-PIERRE` contains `JEAN`."""
    # JEAN is a word of JEAN-PIERRE; JEAN-PAUL and JEAN-PIERRE, which share a word, are two names.
    plain, whole = normalised(word), normalised(name)
    return bool(plain) and (plain == whole or plain in whole.split())


def _is_same(one: str, other: str) -> bool:
    plain = normalised(one)
    return bool(plain) and plain == normalised(other)


def normalised(name: str) -> str:
    """Returns a name in capitals without accents, with one space in place of punctuation: `Zoé-Œ'` becomes `ZOE OE`.
    Returns "" for a name that cannot be written in ASCII."""
    return _SEPARATORS.sub(" ", (to_ascii(name) or "").upper()).strip()

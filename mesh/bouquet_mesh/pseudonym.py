"""Pseudonyms of people in the access journal, made from an identity and a secret key."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from bouquet_mesh.keyed_hash import keyed_hash
from bouquet_mesh.secret import Secret
from bouquet_proto.identity import Identifiant, Identite, Identity
from bouquet_proto.letters import fold

CIVIL_STATUS_TAG = str(Identite.__struct_config__.tag)
"""Tag of `Identite`, the kind of identity by civil status (names, sex, date and place of birth)."""
# The tag is hashed with the identity, so that identities of two kinds never give the same pseudonym.


class Key(Struct, frozen=True):
    """Secret key with which pseudonyms are made, and the key's name."""

    # Each journal record holds the name of the key used for its pseudonyms.

    name: str
    secret: Secret


class NamedPerson(Struct, frozen=True):
    """Person of whom only the name and the birth date are known."""

    nom_naissance: str
    prenom: str
    """First given name, empty if it is unknown."""
    date_naissance: str
    """Birth date as `YYYY-MM-DD`. Unknown parts are zeros, as in `1990-00-00`."""


def pseudonym(key: Secret, identity: Identity) -> str:
    """Returns the pseudonym of a person, 64 hexadecimal digits. For a civil status (names, sex, date and place of
    birth), accents, punctuation and further first names make no difference."""
    # A country of birth from FranceConnect always counts, even for a provider that does not receive it.
    return keyed_hash(key, msgspec.json.encode(_folded(identity)))


def distinct_pseudonyms(key: Secret, people: Iterable[NamedPerson]) -> tuple[str, ...]:
    """Returns the pseudonyms of `people`, in the same order and without duplicates. Only the name, the first given name
    and the birth date count."""
    folded = dict.fromkeys(
        msgspec.json.encode([CIVIL_STATUS_TAG, one.date_naissance, fold(one.nom_naissance), fold(one.prenom), "", ""])
        for one in people
    )
    return tuple(keyed_hash(key, person) for person in folded)


def _folded(identity: Identity) -> list[str]:
    match identity:
        case Identite():
            names = (fold(identity.nom_naissance), fold(first_name(identity.prenoms)))
            traits = (identity.sexe_etat_civil or "", fold(_birth_place(identity)))
            return [CIVIL_STATUS_TAG, identity.date_naissance(), *names, *traits]
        case Identifiant():  # punctuation is significant: `a.b` and `ab` are two people
            return [_kind_of(identity), "".join(identity.identifiant.split()).casefold()]
        case _:
            return [_kind_of(identity), *map(fold, msgspec.structs.astuple(identity))]


def _kind_of(identity: Identity) -> str:
    return str(type(identity).__struct_config__.tag)


def first_name(first_names: tuple[str, ...]) -> str:
    """Returns the first word of a person's given names, or "" if there are none. The names `("Jean Paul",)` and
    `("Jean", "Paul")` both give `Jean`."""
    return first_word(" ".join(first_names))


def first_word(text: str) -> str:
    """Returns the first word of a text, or "" if it has none."""
    words = text.split(maxsplit=1)
    return words[0] if words else ""


def _birth_place(identity: Identite) -> str:
    return identity.commune_in_france() or identity.code_cog_insee_pays_naissance or ""

"""Pseudonyms of people in the access journal, made from an identity and a secret key."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from bouquet_mesh.keyed_hash import keyed_hash
from bouquet_mesh.secret import Secret
from bouquet_proto.identity import Identifiant, Identite, Identity
from bouquet_proto.letters import fold


class Key(Struct, frozen=True):
    """Secret key of pseudonyms, and its name, which each journal record holds."""

    name: str
    secret: Secret


def pseudonym(key: Secret, identity: Identity) -> str:
    """Returns the pseudonym of a person, 64 hexadecimal digits. Spellings that a provider does not distinguish have
    the same pseudonym."""
    # Two civil statuses have the same pseudonym if they differ only in accents, punctuation, or first names after the
    # first. A country of birth from FranceConnect always counts, even for a provider that does not receive it.
    return keyed_hash(key, msgspec.json.encode(_folded(identity)))


def distinct_pseudonyms(key: Secret, identities: Iterable[Identity]) -> tuple[str, ...]:
    """Returns the pseudonyms of several people, each only once."""
    people = dict.fromkeys(msgspec.json.encode(_folded(identity)) for identity in identities)
    return tuple(keyed_hash(key, person) for person in people)


def _folded(identity: Identity) -> list[str]:
    kind = str(type(identity).__struct_config__.tag)
    match identity:
        case Identite():
            born_at = fold(_birth_place(identity))
            words = (fold(identity.nom_naissance), _first_word(identity.prenoms), identity.sexe_etat_civil or "")
            return [kind, identity.date_naissance(), *words, born_at]
        case Identifiant():  # punctuation is significant: `a.b` and `ab` are two people
            return [kind, "".join(identity.identifiant.split()).casefold()]
        case _:
            return [kind, *map(fold, msgspec.structs.astuple(identity))]


def _first_word(first_names: tuple[str, ...]) -> str:
    words = " ".join(first_names).split()
    return fold(words[0]) if words else ""


def _birth_place(identity: Identite) -> str:
    return identity.commune_in_france() or identity.code_cog_insee_pays_naissance or ""

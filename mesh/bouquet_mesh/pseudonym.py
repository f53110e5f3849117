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
    """Secret key of pseudonyms, with its name. Keys are replaced over time, so each journal record holds the name of
    its key."""

    name: str
    secret: Secret


def pseudonym(key: Secret, identity: Identity) -> str:
    """Returns the pseudonym of a person: the HMAC of a normalised identity, as 64 hexadecimal digits. Different
    spellings that a provider would not distinguish give the same pseudonym."""
    # Two civil statuses have the same pseudonym if they differ only in accents, punctuation, or first names after the
    # first. A country of birth from FranceConnect always counts, even for a provider that does not receive it.
    return keyed_hash(key, msgspec.json.encode(_folded(identity)))


def distinct_pseudonyms(key: Secret, identities: Iterable[Identity]) -> tuple[str, ...]:
    """Returns the pseudonyms of several people, each once, in order."""
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

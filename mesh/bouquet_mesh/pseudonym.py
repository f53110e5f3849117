"""The pseudonym of a person in the access journal: only the key and the identity give it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from bouquet_mesh.keyed_hash import keyed_hash
from bouquet_mesh.secret import Secret
from bouquet_proto.identity import Identifiant, Identite, Identity
from bouquet_proto.letters import fold


class Key(Struct, frozen=True):
    """A key of pseudonyms. Keys rotate: each record of the journal keeps the name of its own."""

    name: str
    secret: Secret


def pseudonym(key: Secret, identity: Identity) -> str:
    """The HMAC of a fold of the identity that is at least as coarse as what any provider is asked with.

    Whoever asks a provider the same question about a person, however the name is typed, leaves the same pseudonym. Two
    people who differ in a folded letter, or in what follows the first word of the first names, share one. A country of
    birth that FranceConnect gives counts, also for a provider that is not asked with it.
    """
    return keyed_hash(key, msgspec.json.encode(_folded(identity)))


def distinct_pseudonyms(key: Secret, identities: Iterable[Identity]) -> tuple[str, ...]:
    """Returns the pseudonyms of several people, each once, in the order of the people."""
    people = dict.fromkeys(msgspec.json.encode(_folded(identity)) for identity in identities)
    return tuple(keyed_hash(key, person) for person in people)


def _folded(identity: Identity) -> list[str]:
    kind = str(type(identity).__struct_config__.tag)
    match identity:
        case Identite():
            born_at = fold(_birth_place(identity))
            words = (fold(identity.nom_naissance), _first_word(identity.prenoms), identity.sexe_etat_civil or "")
            return [kind, identity.date_naissance(), *words, born_at]
        case Identifiant():  # its punctuation tells people apart: `a.b` and `ab` are two
            return [kind, "".join(identity.identifiant.split()).casefold()]
        case _:
            return [kind, *map(fold, msgspec.structs.astuple(identity))]


def _first_word(first_names: tuple[str, ...]) -> str:
    """`("Jean Paul",)` and `("Jean", "Paul")` are sent alike."""
    words = " ".join(first_names).split()
    return fold(words[0]) if words else ""


def _birth_place(identity: Identite) -> str:
    """The commune, for a birth in France alone: beside another country it is not sent."""
    return identity.commune_in_france() or identity.code_cog_insee_pays_naissance or ""

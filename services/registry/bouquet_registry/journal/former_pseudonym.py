"""Pseudonyms made by the rule in use before 29 November 2026. `journal who-read` also searches for these pseudonyms."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import product

import msgspec
from msgspec import structs

from bouquet_mesh.keyed_hash import keyed_hash
from bouquet_mesh.secret import Secret
from bouquet_proto.identity import Identite, Identity
from bouquet_proto.letters import ASCII_SPELLINGS

KEPT_LETTERS = {letter: ASCII_SPELLINGS[letter] for letter in "æœþøðđł"}
"""Maps letters, such as `œ`, to their replacements by the present rule for pseudonyms, such as `oe`. The former rule
did not replace these letters."""


def former_pseudonym(key: Secret, identity: Identity) -> str:
    """Returns the pseudonym of an identity by the former rule."""
    # The former rule ignores case and accents, and all characters of a name except letters and digits.
    # Unlike the present rule, uses the commune of birth even if the country of birth is a foreign one.
    return keyed_hash(key, msgspec.json.encode(_named(identity)))


def former_spellings(identity: Identity) -> Iterator[Identity]:
    """Yields the spellings of an identity to which the former rule gives different pseudonyms, such as `Œuvrard` and
    `Oeuvrard`."""
    # By the present rule, all of them have the same pseudonym.
    # In each spelling, a letter such as `œ` is either kept or written out everywhere.
    if not isinstance(identity, Identite):
        yield identity
        return
    first_names = _spellings(identity.prenoms[0]) if identity.prenoms else [""]
    for last_name, first_name in product(_spellings(identity.nom_naissance), first_names):
        yield structs.replace(identity, nom_naissance=last_name, prenoms=(first_name,))


def _spellings(name: str) -> list[str]:
    plain = name.casefold()
    for letter, spelt in KEPT_LETTERS.items():
        plain = plain.replace(letter, spelt)
    found = {plain}
    for letter, spelt in KEPT_LETTERS.items():
        found |= {one.replace(spelt, letter) for one in found}
    return sorted(found)


def _named(identity: Identity) -> list[str]:
    kind = str(type(identity).__struct_config__.tag)
    match identity:
        case Identite():
            born_at = identity.code_cog_insee_commune_naissance or identity.code_cog_insee_pays_naissance or ""
            first_name = identity.prenoms[0] if identity.prenoms else ""
            words = (identity.nom_naissance, first_name, identity.sexe_etat_civil or "", born_at)
            return [kind, identity.date_naissance(), *map(_folded, words)]
        case _:
            return [kind, *(_folded(value) for value in msgspec.structs.astuple(identity))]


def _folded(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))

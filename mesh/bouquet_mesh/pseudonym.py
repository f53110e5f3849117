"""The pseudonym of a person in the access journal: only the key and the identity give it."""

from __future__ import annotations

import hmac
import unicodedata

import msgspec
from msgspec import Struct

from bouquet_mesh.secret import Secret
from bouquet_proto.identity import Identite, Identity


class Key(Struct, frozen=True):
    """What persons are named by. It rotates: each record tells the name of its own."""

    name: str
    secret: Secret


def pseudonym(key: Secret, identity: Identity) -> str:
    """The same for every way of writing the same name; another for every other person, key, or kind of identifier."""
    return hmac.digest(key.reveal().encode(), msgspec.json.encode(_named(identity)), "sha256").hex()


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
    """Letters and digits alone, without case or accents."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))

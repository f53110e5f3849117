"""The session that an introspection of FranceConnect describes: identity and scopes
(docs/reference/upstreams/france_connect.md §4)."""

from __future__ import annotations

from datetime import date

from bouquet_france_connect.upstream import Introspection
from bouquet_proto.france_connect_session import UNUSABLE, Session, identity_of, is_usable
from bouquet_worker import Rejected

PROFILE = ("given_name", "family_name", "birthdate", "gender")
BIRTH = ("birthplace", "birthcountry")
ALIASES = {"identite_pivot": (*PROFILE, *BIRTH), "profile": PROFILE, "birth": BIRTH}
"""Scopes of FranceConnect that stand for several others, such as `birth` for `birthplace` and `birthcountry`. No
operation needs such a scope (docs/reference/contract.md §2.4), but a session that has it lists the others too."""


def session_of(introspection: Introspection, today: date) -> Session | Rejected:
    """Returns the session of an active token, or a refusal where its identity cannot be used."""
    who = identity_of(introspection)
    return Session(identity=who, scopes=scopes_of(introspection)) if is_usable(who, today) else Rejected(UNUSABLE)


def scopes_of(introspection: Introspection) -> tuple[str, ...]:
    """Returns the scopes that the citizen granted, then those that scopes among them stand for (`ALIASES`)."""
    scopes = (introspection.scope or "").split()
    meant = [scope for alias in scopes for scope in ALIASES.get(alias, ())]
    return tuple(dict.fromkeys((*scopes, *meant)))

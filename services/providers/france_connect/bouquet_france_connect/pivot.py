"""From an introspection of FranceConnect to a session: whose it is, and its scopes
(docs/reference/upstreams/france_connect.md §4)."""

from __future__ import annotations

from datetime import date

from bouquet_france_connect.upstream import Introspection
from bouquet_proto.france_connect_session import UNUSABLE, Session, identity_of, is_usable
from bouquet_worker import Rejected

PROFILE = ("given_name", "family_name", "birthdate", "gender")
BIRTH = ("birthplace", "birthcountry")
ALIASES = {"identite_pivot": (*PROFILE, *BIRTH), "profile": PROFILE, "birth": BIRTH}
"""Scopes that stand for several. The contract asks for none of them (docs/reference/contract.md §2.4); who reads a
session sees them all."""


def session_of(told: Introspection, today: date) -> Session | Rejected:
    """Of an active token."""
    who = identity_of(told)
    return Session(identity=who, scopes=scopes_of(told)) if is_usable(who, today) else Rejected(UNUSABLE)


def scopes_of(told: Introspection) -> tuple[str, ...]:
    """As told, then what their aliases stand for."""
    scopes = (told.scope or "").split()
    meant = [scope for alias in scopes for scope in ALIASES.get(alias, ())]
    return tuple(dict.fromkeys((*scopes, *meant)))

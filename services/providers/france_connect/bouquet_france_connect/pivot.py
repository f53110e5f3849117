"""Conversion of FranceConnect's description of a token (introspection) into a session: the citizen's identity and
scopes (docs/reference/upstreams/france_connect.md §4)."""

from __future__ import annotations

from datetime import date

from bouquet_france_connect.upstream import Introspection
from bouquet_proto.france_connect_session import IDENTITY_UNUSABLE, Session, identity_of, is_usable
from bouquet_worker import Rejected

PROFILE = ("given_name", "family_name", "birthdate", "gender")
BIRTH = ("birthplace", "birthcountry")
INCLUDED_SCOPES = {"identite_pivot": (*PROFILE, *BIRTH), "profile": PROFILE, "birth": BIRTH}
"""Maps some scopes of FranceConnect to the scopes that they include. For example, `birth` includes `birthplace` and
`birthcountry` (docs/reference/contract.md §2.4)."""


def session_of(introspection: Introspection, today: date) -> Session | Rejected:
    """Converts the introspection of an active token into a session. Returns `Rejected` if the citizen's identity does
    not suffice to ask providers, for example without a year of birth. `today` is the date for the validation rules."""
    who = identity_of(introspection)
    if not is_usable(who, today):
        return Rejected(IDENTITY_UNUSABLE)
    return Session(identity=who, scopes=scopes_of(introspection))


def scopes_of(introspection: Introspection) -> tuple[str, ...]:
    """Returns the scopes that the citizen granted, followed by the scopes that these include. For example, `birth`
    includes `birthplace`."""
    scopes = (introspection.scope or "").split()
    meant = [scope for alias in scopes for scope in INCLUDED_SCOPES.get(alias, ())]
    return tuple(dict.fromkeys((*scopes, *meant)))

"""From the identité pivot of FranceConnect to the canonical identity and to scopes (upstreams/11 §11.4)."""

from __future__ import annotations

from datetime import date

from bouquet_france_connect.upstream import Introspection
from bouquet_proto.france_connect_session import CHECKS, Session
from bouquet_proto.query import leading_integer
from bouquet_proto.rules import objections
from bouquet_worker import Identite, Rejected

PROFILE = ("given_name", "family_name", "birthdate", "gender")
BIRTH = ("birthplace", "birthcountry")
ALIASES = {"identite_pivot": (*PROFILE, *BIRTH), "profile": PROFILE, "birth": BIRTH}
"""Scopes that stand for several. The contract asks for none of them (§2.4); who reads a session sees them all."""


def session_of(told: Introspection, today: date) -> Session | Rejected:
    """Of an active token. Where the identity cannot be anybody's, its first fault is told."""
    who = identity_of(told)
    for check in CHECKS:
        if codes := objections([check], who, today):
            return Rejected(codes[0])
    return Session(identity=who, scopes=scopes_of(told))


def identity_of(told: Introspection) -> Identite:
    """A compound first name stays one where the array tells it (V11). Month and day are `00` when they are unknown
    (V10). There is no name of use: FranceConnect v2 gives none to a data provider (V12)."""
    year, month, day, *_ = (leading_integer(part) or None for part in f"{told.birthdate or ''}---".split("-"))
    return Identite(
        nom_naissance=told.family_name or "",
        prenoms=told.given_name_array or tuple((told.given_name or "").split()),
        annee_date_naissance=year,
        mois_date_naissance=month,
        jour_date_naissance=day if month else None,
        sexe_etat_civil="M" if told.gender == "male" else "F",
        code_cog_insee_pays_naissance=told.birthcountry or None,
        code_cog_insee_commune_naissance=told.birthplace or None,
    )


def scopes_of(told: Introspection) -> tuple[str, ...]:
    """As told, then what their aliases stand for."""
    scopes = (told.scope or "").split()
    meant = [scope for alias in scopes for scope in ALIASES.get(alias, ())]
    return tuple(dict.fromkeys((*scopes, *meant)))

"""Fake FranceConnect tokens of the sandbox: files whose `params` name a token and whose payload is an introspection."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from bouquet_casebook.cases import DEFAULT, Case, Casebook, CaseError
from bouquet_casebook.matching import signature_of_case
from bouquet_proto.france_connect_session import Session
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Found, Lookup, Rejected, Reply

FOLDER = "france_connect"


class _Introspection(Struct, frozen=True):
    scope: str
    family_name: str
    birthdate: str
    given_name: str = ""
    given_name_array: tuple[str, ...] = ()
    gender: str = ""
    birthplace: str = ""
    birthcountry: str = ""


class _Payload(Struct, frozen=True):
    token_introspection: _Introspection


def open_session(casebook: Casebook, lookup: Lookup) -> Reply:
    token = getattr(lookup.identity, "identifiant", "")
    case = casebook.folder(FOLDER).find(signature_of_case({"token": token}))
    if case is None or case.name == DEFAULT:
        return Rejected("session_unknown")
    try:
        return Found(Raw(msgspec.json.encode(session_of(case))))
    except CaseError:
        return Rejected("session_unknown")


def session_of(case: Case) -> Session:
    """Signature, activity and identity are not checked in the sandbox (http-contract §6.5). Raises `CaseError`."""
    try:
        return _session(msgspec.json.decode(case.payload, type=_Payload).token_introspection)
    except (msgspec.DecodeError, ValueError):
        raise CaseError("is not the introspection of a session") from None


def _session(told: _Introspection) -> Session:
    year, month, day = (int(part) or None for part in told.birthdate.split("-"))
    identity = Identite(
        nom_naissance=told.family_name,
        prenoms=told.given_name_array or tuple(told.given_name.split()),
        annee_date_naissance=year,
        mois_date_naissance=month,
        jour_date_naissance=day,
        sexe_etat_civil="M" if told.gender == "male" else "F",
        code_cog_insee_pays_naissance=told.birthcountry or None,
        code_cog_insee_commune_naissance=told.birthplace or None,
    )
    return Session(identity=identity, scopes=tuple(told.scope.split()))

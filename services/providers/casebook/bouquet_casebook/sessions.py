"""FranceConnect sessions that the sandbox simulates. In a session's case file, `params` gives the token, and `payload`
describes the citizen and the scopes."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from bouquet_casebook.cases import Case, Casebook, CaseError, Fault
from bouquet_casebook.errors import code_in_identity, session_failing_with, session_failure_reply
from bouquet_casebook.matching import signature_of_case
from bouquet_proto.france_connect_session import AUTHORITY, Pivot, Session, identity_of
from bouquet_proto.messages import Found, Lookup, Rejected, Reply

FOLDER = "france_connect"


class _Introspection(Pivot, frozen=True, kw_only=True):
    scope: str
    family_name: str
    birthdate: str


class _Payload(Struct, frozen=True):
    token_introspection: _Introspection


def open_session(casebook: Casebook, lookup: Lookup, scopes: tuple[str, ...]) -> Reply:
    """Returns the FranceConnect session in the case file with the lookup's token. Refuses a token without a valid file.
    For the token `jeton-erreur-35002`, returns the error 35002, or a session that makes every operation answer with the
    error."""
    # If sessions cannot fail with the error, the token opens a session with all of `scopes`, for which every operation
    # answers with the error.
    if code := code_in_identity(lookup.identity):
        citizen = session_failing_with(code, scopes)
        return session_failure_reply(code, AUTHORITY) or Found(Raw(msgspec.json.encode(citizen)))
    token = getattr(lookup.identity, "identifiant", "")
    case = casebook.folder(FOLDER).find(signature_of_case({"token": token}))
    if case is None:
        return Rejected("session_unknown")
    try:
        return Found(Raw(msgspec.json.encode(session_of(case))))
    except CaseError:
        return Rejected("session_unknown")


def session_of(case: Case) -> Session:
    """Returns the FranceConnect session that a case file's payload describes. Raises `CaseError` for an invalid
    payload."""
    # The payload need not be signed (docs/reference/contract.md §6.5).
    try:
        introspection = msgspec.json.decode(case.payload, type=_Payload).token_introspection
    except msgspec.DecodeError:
        raise CaseError(Fault("is not the introspection of a session", ("payload",))) from None
    identity = identity_of(introspection)
    if identity.annee_date_naissance is None:
        at = ("payload", "token_introspection", "birthdate")
        raise CaseError(Fault("has a birthdate that is not YYYY-MM-DD", at))
    return Session(identity=identity, scopes=tuple(introspection.scope.split()))

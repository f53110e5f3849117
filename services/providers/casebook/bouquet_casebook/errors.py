"""Invented identities that make the sandbox answer with an error. Each identity contains the code of its error.

The sandbox needs no case file for these identities. It answers with the same status, texts, `meta` and `Retry-After` as
production, in every version of the API. Identities for the code 35002:

    birth name           ERREUR TROIS-CINQ-ZERO-ZERO-DEUX     in words, since a name has no digits
    INE                  ERREUR35002
    job seeker           erreur-35002
    athlete              999999935002, since this identifier has digits alone
    CAF file             9999999, with the postal code 35002
    FranceConnect token  jeton-erreur-35002
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Raw

from bouquet_proto.failures import PLATFORM, PROVIDER, RENDERINGS, SESSION, Failure, Kind, failure_of
from bouquet_proto.france_connect_session import AUTHORITY as SESSION_AUTHORITY
from bouquet_proto.france_connect_session import Session
from bouquet_proto.identity import FRANCE, Identifiant, Identite, Identity, Ine, NumeroAllocataire
from bouquet_proto.letters import to_ascii
from bouquet_proto.messages import Failed, NotFound, Rejected, Reply
from bouquet_proto.offer import Authority, Operation
from bouquet_worker import paris_today

DIGITS = ("ZERO", "UN", "DEUX", "TROIS", "QUATRE", "CINQ", "SIX", "SEPT", "HUIT", "NEUF")
WORD = "ERREUR"
FILE_NUMBER = "9999999"
NAMED = re.compile(rf"(?:(?:JETON-)?{WORD}-?|{FILE_NUMBER})(\d{{5}})")
OF_SESSIONS = (*SESSION, *PROVIDER)
NOT_LISTED = frozenset(
    {
        "unknown_operation",
        "unknown_route",
        "unknown_version",
        "gone_tax_notice",
        "gone_first_quotient",
        "delegation_ambiguous",
        "recipient_not_delegated",
        "dossier_field",
        "dossier_count",
        "dossier_operation",
        "dossier_for_each",
        "proof_unknown",
        "proof_expired",
        "proof_revoked",
        "proof_status_unknown",
        "proof_document_expired",
        "mcp_not_allowed",
        "mcp_purpose",
        "session_missing",
        "several_matches",
    }
)
"""Reasons of errors that the list of simulated errors leaves out. An operation's own errors (`Operation.reasons`) are
always listed."""
# Most of these errors do not depend on the person, such as the error for an unknown path.
CITIZEN_AGE_YEARS = 20
"""Age, in years, of the invented citizens who make every operation answer with a chosen error."""
# No operation refuses a person of this age.
RETRY_IN_S = 1
"""Value of `Retry-After`, in seconds, in a simulated 429 answer."""
GATEWAY_PLACEHOLDER = re.compile(r"\{(?!provider\})\w+\}")
"""Pattern of a placeholder that only a gateway can fill: all placeholders except `{provider}`."""
# The sandbox does not simulate errors whose text contains such a placeholder.


def name_of(code: str) -> str:
    """Returns the birth name that makes the sandbox answer with an error, such as `ERREUR TROIS-CINQ-ZERO-ZERO-DEUX`
    for 35002."""
    return f"{WORD} {'-'.join(DIGITS[int(digit)] for digit in code)}"


def identifier_of(code: str, operation: Operation) -> str:
    """Returns the identifier for which the sandbox answers with the error `code`, such as `erreur-35002`. If the
    operation's identifiers are numbers, returns a number such as `999999935002`."""
    rules = {check.rule for stage in operation.checks for check in stage}
    return f"{FILE_NUMBER}{code}" if "identifiant_numerique" in rules else f"erreur-{code}"


def code_in_identity(who: Identity) -> str | None:
    """Returns the error code in an invented identity, such as 35002 in the INE `ERREUR35002`; `None` for any other
    identity."""
    match who:
        case Identite(nom_naissance=name):
            return _spelt(name)
        case Ine(ine=text) | Identifiant(identifiant=text):
            named = NAMED.fullmatch(text.upper())
            return named[1] if named else None
        case NumeroAllocataire(numero_allocataire=number, code_postal=code):
            return code if number == FILE_NUMBER else None


def _spelt(name: str) -> str | None:
    word, *digits = re.split(r"[ -]+", (to_ascii(name) or "").upper().strip())
    known = word == WORD and len(digits) == 5 and set(digits) <= set(DIGITS)
    return "".join(str(DIGITS.index(digit)) for digit in digits) if known else None


def code_in_payload(payload: Raw) -> str:
    """Returns the code of the first error in an error body of version 3. Returns "" if the payload is not such a
    body."""
    match msgspec.json.decode(payload):
        case {"errors": [{"code": str() as code}, *_]}:
            return code
        case _:
            return ""


def failure_reply(
    code: str, operation: Operation, authority: Authority, problems: Mapping[str, Failure]
) -> Reply | None:
    """Returns a worker's reply that makes the gateway answer with the error `code`; `None` if the operation cannot fail
    with this error. `authority` gives the first two digits of error codes. `problems` are the provider's own errors, by
    reason."""
    return _reply_of(code, (*operation.reasons, *PROVIDER, *PLATFORM), authority, problems)


def session_failure_reply(code: str, authority: Authority) -> Reply | None:
    return _reply_of(code, OF_SESSIONS, authority, {})


def codes_of(operation: Operation, authority: Authority, problems: Mapping[str, Failure]) -> dict[str, int]:
    """Maps each error code that the sandbox can simulate for an operation to its HTTP status. `authority` gives the
    first two digits of error codes. `problems` are the provider's own errors, by reason."""
    common = (reason for reason in (*PROVIDER, *PLATFORM) if reason not in NOT_LISTED)
    own = [(authority, row) for _, row in failures_of((*operation.reasons, *common), problems)]
    opening = (
        [(SESSION_AUTHORITY, row) for reason, row in failures_of(OF_SESSIONS, {}) if reason not in NOT_LISTED]
        if operation.by_session
        else []
    )
    statuses: dict[str, int] = {}
    for of, row in (*opening, *own):
        statuses.setdefault(row.code_of(of.prefix), RENDERINGS[row.kind].v3_status)
    return statuses


def session_failing_with(code: str, scopes: Iterable[str]) -> Session:
    """Returns a FranceConnect session with the given scopes, for a citizen whose birth name makes every operation
    answer with the error `code`."""
    citizen = Identite(
        nom_naissance=name_of(code),
        prenoms=("Camille",),
        annee_date_naissance=paris_today().year - CITIZEN_AGE_YEARS,
        mois_date_naissance=1,
        jour_date_naissance=1,
        sexe_etat_civil="F",
        code_cog_insee_pays_naissance=FRANCE,
        code_cog_insee_commune_naissance="75056",
    )
    return Session(identity=citizen, scopes=tuple(scopes))


def failures_of(reasons: Iterable[str], problems: Mapping[str, Failure]) -> Iterator[tuple[str, Failure]]:
    """Yields each of `reasons` with the code and texts of its error (`Failure`). `problems` holds the provider's own
    errors, by reason. Leaves out unknown reasons, and errors whose text only a gateway can complete."""
    for reason in reasons:
        row = failure_of(reason, problems)
        if row and not GATEWAY_PLACEHOLDER.search(row.detail):
            yield reason, row


def _reply_of(code: str, reasons: Iterable[str], authority: Authority, problems: Mapping[str, Failure]) -> Reply | None:
    replies = (
        _reply(reason, row.kind)
        for reason, row in failures_of(reasons, problems)
        if row.code_of(authority.prefix) == code
    )
    return next(replies, None)


def _reply(reason: str, kind: Kind) -> Reply:
    match kind:
        case Kind.NOT_FOUND:
            return NotFound(reason)
        case Kind.WRONG_PARAMETER | Kind.UNAUTHORIZED:
            return Rejected(reason)
        case Kind.TOO_MANY:
            return Failed(reason, retry_in_s=RETRY_IN_S)
        case _:
            return Failed(reason)

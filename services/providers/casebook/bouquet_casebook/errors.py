"""Invented identities for whom an operation fails by the code that they name, any code of `/api/errors`.

No file says these errors: a code is answered by its row of the failure table, so that status, texts, `meta` and
`Retry-After` are those of production, in every version.

    birth name           ERREUR TROIS-CINQ-ZERO-ZERO-DEUX     since digits are no letters of a name
    INE                  ERREUR35002
    job seeker           erreur-35002
    CAF file             9999999, of the postal code 35002
    FranceConnect token  jeton-erreur-35002
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Raw

from bouquet_proto.failures import PLATFORM, PROVIDER, SESSION, Failure, Kind, failure_of
from bouquet_proto.france_connect_session import Session
from bouquet_proto.identity import FRANCE, Identifiant, Identite, Identity, Ine, NumeroAllocataire
from bouquet_proto.letters import to_ascii
from bouquet_proto.messages import Failed, NotFound, Rejected, Reply
from bouquet_proto.offer import Authority, Operation

DIGITS = ("ZERO", "UN", "DEUX", "TROIS", "QUATRE", "CINQ", "SIX", "SEPT", "HUIT", "NEUF")
WORD = "ERREUR"
NAMED = re.compile(rf"(?:JETON-)?{WORD}-?(\d{{5}})")
FILE_NUMBER = "9999999"
OF_SESSIONS = (*SESSION, *PROVIDER)
RETRY_IN_S = 1
"""When to ask again after a 429, as a gateway in production tells it of a rate limit."""
FROM_A_GATEWAY = re.compile(r"\{(?!provider\})\w+\}")
"""A placeholder that only a gateway fills: of a version, or of the hours of a maintenance."""


def name_of(code: str) -> str:
    """The birth name of whom a code is answered to."""
    return f"{WORD} {'-'.join(DIGITS[int(digit)] for digit in code)}"


def code_named(who: Identity) -> str | None:
    """Of somebody who is no error, `None`."""
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


def code_told(payload: Raw) -> str:
    """Of an error in the words of v3; empty for any other body."""
    match msgspec.json.decode(payload):
        case {"errors": [{"code": str() as code}, *_]}:
            return code
        case _:
            return ""


def failing(code: str, operation: Operation, authority: Authority, problems: Mapping[str, Failure]) -> Reply | None:
    """What a provider answers for its operation to end in the code; `None` for a code that it cannot end in."""
    return _reply_of(code, (*operation.reasons, *PROVIDER, *PLATFORM), authority, problems)


def failing_session(code: str, authority: Authority) -> Reply | None:
    return _reply_of(code, OF_SESSIONS, authority, {})


def session_of_error(code: str, scopes: Iterable[str]) -> Session:
    """Of a citizen whom every operation answers by the code."""
    citizen = Identite(
        nom_naissance=name_of(code),
        prenoms=("Camille",),
        annee_date_naissance=1990,
        mois_date_naissance=1,
        jour_date_naissance=1,
        sexe_etat_civil="F",
        code_cog_insee_pays_naissance=FRANCE,
        code_cog_insee_commune_naissance="75056",
    )
    return Session(identity=citizen, scopes=tuple(scopes))


def rows(reasons: Iterable[str], problems: Mapping[str, Failure]) -> Iterator[tuple[str, Failure]]:
    """Those of a text that is whole without a gateway."""
    for reason in reasons:
        row = failure_of(reason, problems)
        if row and not FROM_A_GATEWAY.search(row.detail):
            yield reason, row


def _reply_of(code: str, reasons: Iterable[str], authority: Authority, problems: Mapping[str, Failure]) -> Reply | None:
    told = (_told(reason, row.kind) for reason, row in rows(reasons, problems) if row.code_of(authority.prefix) == code)
    return next(told, None)


def _told(reason: str, kind: Kind) -> Reply:
    match kind:
        case Kind.NOT_FOUND:
            return NotFound(reason)
        case Kind.WRONG_PARAMETER | Kind.UNAUTHORIZED:
            return Rejected(reason)
        case Kind.TOO_MANY:
            return Failed(reason, retry_in_s=RETRY_IN_S)
        case _:
            return Failed(reason)

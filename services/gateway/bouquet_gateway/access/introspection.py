"""Description of the caller's own token, as `/v3/token/introspect` returns it (docs/reference/contract.md §2.5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from bouquet_gateway.access.tokens import Token

VERSION = 3
"""Version in the path `/v3/token/introspect`. No other version of the API has this path."""
DATAPASS = "https://datapass.api.gouv.fr/demandes/"
"""Beginning of the URL of a habilitation in DataPass; the habilitation's id follows."""

YEAR_9999_END_S = 253_402_300_799.0
"""Last second of the year 9999, in seconds since the epoch. Later times are shown as this time."""
# ISO 8601 writes years with four digits.


class DelegationInUse(Struct, frozen=True):
    """Delegation from which a software editor's token has its rights in this call. `siret_delegant` is the SIRET of the
    administration that has delegated its habilitation."""

    id: str
    siret_delegant: str


class DescribedToken(Struct, frozen=True, kw_only=True):
    """Description of a token for its caller. Leaves out the allowed addresses and other security settings."""

    id: str
    type: Literal["standard", "editeur"]
    scopes: tuple[str, ...]
    datapass_id: str | None
    siret_souscripteur: str
    """SIRET of the habilitation's holder; for a software editor's token without a delegation, SIRET of the editor."""
    date_emission: str | None
    """Time at which the token was issued, as ISO 8601 in UTC; `None` if unknown."""
    date_expiration: str
    rate_limit_par_minute: int | None
    """Largest number of calls per minute with the habilitation; `None` if the habilitation has no such limit."""
    delegation: DelegationInUse | None


class Links(Struct, frozen=True):
    datapass: str | None


class Introspection(Struct, frozen=True):
    data: DescribedToken
    links: Links
    meta: dict[str, str] = {}


def introspection_of(token: Token) -> Introspection:
    """Returns the description of a token. A software editor's token without a delegation has no scopes and no
    habilitation."""
    described = DescribedToken(
        id=token.id,
        type="editeur" if token.editor else "standard",
        scopes=tuple(sorted(token.scopes)),
        datapass_id=token.datapass_id,
        siret_souscripteur=token.siret,
        date_emission=None if token.issued_at is None else iso_time(token.issued_at),
        date_expiration=iso_time(token.expires_at),
        rate_limit_par_minute=token.calls_per_minute or None,
        delegation=DelegationInUse(token.delegation, token.siret) if token.delegation else None,
    )
    return Introspection(described, Links(token.datapass_id and DATAPASS + token.datapass_id))


def iso_time(at: float) -> str:
    """Returns a time, given in seconds since the epoch, as ISO 8601 in UTC. A time before 1970 is shown as the
    beginning of 1970, a time after 9999 as the end of 9999."""
    return datetime.fromtimestamp(min(max(at, 0.0), YEAR_9999_END_S), UTC).isoformat().replace("+00:00", "Z")

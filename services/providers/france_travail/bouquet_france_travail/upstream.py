"""Requests to France Travail's two APIs, and the APIs' answers, under the APIs' own field names
(docs/reference/upstreams/france_travail.md §1-5)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from bouquet_worker import Answer, Caller, IsoDate, IsoDateOrBlank, UpstreamError

SCOPES = "api_statutaugmentev1 api_liste-paiementsv1 individuStatutAugmente application_{client_id}"

UNREGISTERED = 206
"""HTTP status with which France Travail's status API answers about an unregistered person
(docs/reference/upstreams/france_travail.md §4)."""
UNPAID = 204
"""HTTP status with which France Travail's payments API answers about a person without payments."""

TIMED_OUT = "java.util.concurrent.TimeoutException"
"""Text that France Travail's error message (HTTP 500) contains if a service behind France Travail timed out."""

Number = Annotated[str, Meta(pattern=r"^\d{1,3}$")]
"""Number of one to three digits, which France Travail sends as text."""


class Address(Struct, frozen=True, rename="camel"):
    insee_commune: str | None = field(name="INSEECommune", default=None)
    code_postal: str | None = None
    ligne_complement_adresse: str | None = None
    ligne_complement_destinataire: str | None = None
    ligne_complement_distribution: str | None = None
    ligne_nom: str | None = None
    ligne_voie: str | None = None
    localite: str | None = None


class Jobseeker(Struct, frozen=True, rename="camel"):
    """Registered jobseeker: the body of an answer with status 200 of France Travail's status API."""

    categorie_inscription: Number
    libelle_categorie: str | None = field(name="libellecategorieInscription", default=None)
    civilite: str | None = None
    nom: str | None = None
    nom_usage: str | None = None
    prenom: str | None = None
    sexe: str | None = None
    date_naissance: IsoDateOrBlank | None = None
    email: str | None = None
    telephone: str | None = None
    telephone2: str | None = None
    certification: str | None = field(name="codeCertificationCNAV", default=None)
    date_inscription: IsoDateOrBlank | None = None
    date_cessation_inscription: IsoDateOrBlank | None = None
    adresse: Address | None = None


class Unknown(Struct, frozen=True, rename="camel"):
    """Body of a 404 that comes from France Travail itself: the identifier is unknown."""

    code_erreur: Literal["404"]


class Payment(Struct, frozen=True, rename="camel"):
    """Payment in an answer of the payments API, with amounts in euros."""

    # Every amount is required, so that a missing amount is not read as zero.

    date_paiement: IsoDate
    montant_paiement: float
    allocations: float
    aides: float
    autres_paiements: float


class Payments(Struct, frozen=True, rename="camel"):
    """Body of an answer with status 200 of France Travail's payments API. The list of payments may be empty."""

    statut_inscription: bool | None
    """Whether the person is registered. The worker requires the key in an answer, but does not use its value."""
    liste_paiement: tuple[Payment, ...]


class Error(Struct, frozen=True, rename="camel"):
    message_log: str | None = None


def headers_of(caller: Caller) -> dict[str, str]:
    """Returns the header with the id of the caller's token, by which France Travail tells callers apart
    (docs/reference/upstreams/france_travail.md §1)."""
    return {"X-pe-consommateur": f"DINUM - {caller.token_id}"}


def has_data(answer: Answer, no_data_status: int) -> bool:
    """Returns whether an answer has data (status 200). Returns `False` for a 404 from France Travail itself (unknown
    person), and for the status `no_data_status`. Raises `UpstreamError` for any other answer, such as a proxy's 404."""
    match answer.status:
        case 200:
            return True
        case 404 if answer.matches(Unknown):
            return False
        case status if status == no_data_status:
            return False
        case 500 if timed_out(answer.body):
            raise UpstreamError("upstream_timeout", cause="HTTP 500")
        case _:
            raise answer.unexpected()


def timed_out(body: bytes) -> bool:
    """Returns whether the body of a 500 says that a service behind France Travail timed out."""
    try:
        return TIMED_OUT in (msgspec.json.decode(body, type=Error).message_log or "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False

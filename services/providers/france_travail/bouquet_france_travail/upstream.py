"""What France Travail answers (docs/reference/upstreams/france_travail.md §2-5). Of a person, any key but one may be
absent."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from bouquet_worker import IsoDate, IsoDateOrBlank

SCOPES = "api_statutaugmentev1 api_liste-paiementsv1 individuStatutAugmente application_{client_id}"

UNREGISTERED = 206
"""Known, but not registered. This and the next mean something to one of the two APIs only
(docs/reference/upstreams/france_travail.md §4)."""
UNPAID = 204

TIMED_OUT = "java.util.concurrent.TimeoutException"
"""What the text of a 500 contains when one of theirs was late."""

Number = Annotated[str, Meta(pattern=r"^\d{1,3}$")]


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
    categorie_inscription: Number
    """Without it a 200 is not understood."""
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
    """Body of a 404: nobody has this identifier."""

    code_erreur: Literal["404"]


class Payment(Struct, frozen=True, rename="camel"):
    """Whole: an amount that is not there is not zero."""

    date_paiement: IsoDate
    montant_paiement: float
    allocations: float
    aides: float
    autres_paiements: float


class Payments(Struct, frozen=True, rename="camel"):
    """No payment is an empty list: one that is not there says nothing of the person."""

    statut_inscription: bool | None
    """Must be there, whatever it says."""
    liste_paiement: tuple[Payment, ...]


class Error(Struct, frozen=True, rename="camel"):
    message_log: str | None = None


def timed_out(body: bytes) -> bool:
    try:
        return TIMED_OUT in (msgspec.json.decode(body, type=Error).message_log or "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False

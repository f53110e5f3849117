"""The quotient familial: the one resource that two providers answer, so that its contract belongs to neither.

http-contract §1.6.1, upstreams/04 and upstreams/06. The workers of both funds publish `OPERATIONS`; the gateway
asks them by `REGIMES` and decides between their answers.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bouquet_proto.failures import Failure, Kind
from bouquet_proto.offer import Authority, Modality, Operation, operation
from bouquet_proto.rules import Check

Fournisseur = Literal["CNAF", "MSA"]


class Valeur(Struct, frozen=True, kw_only=True):
    """`annee` and `mois` are those asked for; `_calcul` those of the fund's computation."""

    fournisseur: Annotated[Fournisseur, Meta(description="Fonds qui a répondu")]
    valeur: Annotated[int, Meta(description="Quotient familial, en euros")]
    annee: int
    mois: Annotated[int, Meta(ge=1, le=12)]
    annee_calcul: int
    mois_calcul: Annotated[int, Meta(ge=1, le=12)]


class Personne(Struct, frozen=True, kw_only=True):
    """Unknown parts of `date_naissance` are zeros. The reference also emits its three parts, which its document does
    not have and nobody asked for: they are left out (docs/contract.md)."""

    nom_naissance: str | None
    nom_usage: str | None
    prenoms: str | None
    date_naissance: str
    sexe: Literal["F", "M"] | None


class Adresse(Struct, frozen=True, kw_only=True):
    destinataire: str | None
    complement_information: str | None
    complement_information_geographique: str | None
    numero_libelle_voie: str | None
    lieu_dit: str | None
    code_postal_ville: str | None
    pays: str | None


class QuotientFamilial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    quotient_familial: Valeur
    allocataires: tuple[Personne, ...]
    enfants: tuple[Personne, ...]
    adresse: Adresse


FIELDS: dict[str, tuple[str, ...]] = {
    "quotient_familial": ("cnaf_quotient_familial",),
    "allocataires": ("cnaf_allocataires",),
    "enfants": ("cnaf_enfants",),
    "adresse": ("cnaf_adresse",),
}

CNAF = Authority("CNAF", "23")
MSA = Authority("MSA", "10")
BOTH_FUNDS = Authority("CNAF & MSA", "35")

IDENTITY_CHECKS = (
    Check("sexe_required"),
    Check("commune_or_place"),
    Check("pays"),
    Check("date_partial"),
    Check("prenoms_optional"),
    Check("nom"),
    Check("nom_usage"),
)
"""The CNAV profile, in the contract's order (§1.5.5). The sex is required: without it the hub cannot be asked (D6)."""

# What a fund's worker answers when it has no quotient to give. The law of upstreams/06 reads these words.
NO_FILE = "no_file"
UNATTACHED = "unattached"
UNIDENTIFIED = "00355"
REFUSED = "00366"
QUOTIENT_MISSING = "quotient_missing"

PROBLEMS: dict[str, Failure] = {
    NO_FILE: Failure(
        kind=Kind.NOT_FOUND,
        code="003",
        title="Allocataire non référencé",
        detail="L'allocataire n'est pas référencé auprès des caisses éligibles",
        fault="caller",
    ),
    UNATTACHED: Failure(
        kind=Kind.NOT_FOUND,
        code="003",
        title="Allocataire non référencé",
        detail="L'allocataire n'est pas référencé auprès des caisses éligibles",
        fault="caller",
    ),
    QUOTIENT_MISSING: Failure(
        kind=Kind.PROVIDER_ERROR,
        code="502",
        title="Quotient familial manquant",
        detail="Le dossier allocataire a été trouvé mais ne comporte pas de quotient familial.",
        fault="provider",
    ),
}


class Regimes(Struct, frozen=True, kw_only=True):
    """Roles of the two funds, by provider name (upstreams/06 §6.6, design: the regime of the quotient familial)."""

    first: str
    """Asked first when nothing is known: 98 % of allocataires are there, and the other need not learn of them."""
    second: str
    keeps_history: str
    """Wins a past month when both know the person: the other has no history."""
    freshest: str
    """Wins otherwise: it closes and opens files in real time, the other once a month."""
    authorities: dict[str, Authority]
    """Who speaks when one fund fails, known even if its worker never came up."""


REGIMES = Regimes(
    first="cnaf", second="msa", keeps_history="cnaf", freshest="msa", authorities={"cnaf": CNAF, "msa": MSA}
)

PERIOD_CHECKS = (Check("qf_annee"), Check("qf_mois"))


def _operation(modality: Modality, path: str, operation_id: str, checks: tuple[Check, ...]) -> Operation:
    return operation(
        id=operation_id,
        path=path,
        modality=modality,
        summary="Quotient familial CAF & MSA",
        scopes=("cnaf_quotient_familial", "cnaf_allocataires", "cnaf_enfants", "cnaf_adresse"),
        data=QuotientFamilial,
        fields=FIELDS,
        checks=(checks,),
        reasons=(NO_FILE, UNATTACHED, UNIDENTIFIED, REFUSED, QUOTIENT_MISSING),
        cache_s=24 * 3600,
        plan="regime",
        authority=BOTH_FUNDS,
    )


OPERATION = _operation(
    "identite",
    "/v3/dss/quotient_familial/identite",
    "api_particulier_v3_cnav_quotient_familial_with_civility",
    (*PERIOD_CHECKS, *IDENTITY_CHECKS),
)
BY_FRANCE_CONNECT = _operation(
    "france_connect",
    "/v3/dss/quotient_familial/france_connect",
    "api_particulier_v3_cnav_quotient_familial_with_france_connect",
    PERIOD_CHECKS,
)
OPERATIONS = (OPERATION, BY_FRANCE_CONNECT)
"""What the workers of both funds publish."""

"""Composition of a family, as version 2 of the API publishes it (docs/reference/upstreams/cnaf.md §4). The family is
identified by the number and postal code of its file at a CAF (local fund of family allowances)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bouquet_proto.quotient_familial import FIELDS, QUOTIENT_MISSING
from bouquet_worker import Check, People, Retirement, absence, operation

_DATE = Meta(description="jjmmaaaa")


class Personne(Struct, frozen=True, kw_only=True, rename="camel"):
    nom_prenom: str
    date_de_naissance: Annotated[str, _DATE]
    sexe: Literal["F", "M"] | None


class Adresse(Struct, frozen=True, kw_only=True, rename="camel"):
    """Adresse postale ; ses lignes vides sont absentes"""

    identite: str | UnsetType = UNSET
    complement_identite: str | UnsetType = UNSET
    complement_identite_geo: str | UnsetType = UNSET
    numero_rue: str | UnsetType = UNSET
    lieu_dit: str | UnsetType = UNSET
    code_postal_ville: str | UnsetType = UNSET
    pays: str | UnsetType = UNSET


class CompositionFamiliale(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    quotient_familial: int | None
    mois: Annotated[int, Meta(ge=1, le=12)]
    annee: int
    allocataires: tuple[Personne, ...]
    enfants: tuple[Personne, ...]
    adresse: Adresse


PROBLEMS = {
    # The CAF's own texts, unchanged (docs/reference/upstreams/cnaf.md §5).
    "file_struck_off": absence("Dossier radié. Le document ne peut être édité."),
    "file_unknown": absence("Dossier allocataire inexistant. Le document ne peut être édité."),
    # Our own texts, one for each class of codes: the CAF's are undocumented, and are not forwarded.
    "file_pending": absence("L'affiliation de l'allocataire est en cours."),
    "file_suspended": absence("Le dossier allocataire est suspendu."),
    "file_closed": absence("Le dossier allocataire ne permet plus d'éditer le document."),
    "no_right": absence("Aucun droit n'est ouvert sur la période."),
    "no_quotient": absence("Aucun quotient familial n'est disponible sur la période."),
}

COMPOSITION_FAMILIALE = operation(
    id="api_particulier_v2_cnaf_quotient_familial",
    path="/api/v2/composition-familiale",
    modality="numero_allocataire",
    summary="Quotient familial CAF, par numéro d'allocataire",
    scopes=("cnaf_quotient_familial", "cnaf_allocataires", "cnaf_enfants", "cnaf_adresse"),
    data=CompositionFamiliale,
    fields={
        "quotientFamilial": FIELDS["quotient_familial"],
        "mois": FIELDS["quotient_familial"],
        "annee": FIELDS["quotient_familial"],
        "allocataires": FIELDS["allocataires"],
        "enfants": FIELDS["enfants"],
        "adresse": FIELDS["adresse"],
    },
    people=tuple(
        People(at=at, nom="nomPrenom", prenoms="nomPrenom", naissance=("dateDeNaissance",))
        for at in ("allocataires", "enfants")
    ),
    checks=((Check("numero_allocataire"),),),
    reasons=(*PROBLEMS, QUOTIENT_MISSING),
    cache_s=24 * 3600,
    retirement=Retirement(
        deprecated_on="2025-10-31",  # when the official platform removed it (docs/reference/contract.md §1.3)
        sunset_on="2027-01-01",  # our own choice: no date has been announced
        successor="/api/v2/composition-familiale-v2",
    ),
)

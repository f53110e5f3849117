"""The published contract: the resource, the scope of each field, and the error for data not found. Clients rely on the
fields, so a published field must not be removed."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bouquet_worker import Check, absence, operation


class Titulaire(Struct, frozen=True, kw_only=True):
    nom: Annotated[str, Meta(description="Nom de naissance du titulaire")]
    prenom: Annotated[str | None, Meta(description="Prénom, null s'il n'est pas connu")]


class Dossier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    statut: Annotated[
        Literal["ouvert", "suspendu", "clos"],
        Meta(description="Statut du dossier"),
    ]
    date_ouverture: Annotated[
        str,
        Meta(description="Date d'ouverture", extra_json_schema={"format": "date"}),
    ]
    titulaire: Annotated[Titulaire, Meta(description="Titulaire du dossier")]


NO_FILE = "no_file"

PROBLEMS = {
    NO_FILE: absence("Aucun dossier n'a pu être trouvé avec cet identifiant.", title="Dossier non trouvé"),
}
"""Failures that only this provider has, by reason."""

DOSSIER = operation(
    id="acme_v3_dossier_with_identifiant",
    path="/v3/acme/dossier/identifiant",
    modality="identifiant",
    summary="Dossier",
    scopes=("acme_dossier", "acme_titulaire"),
    data=Dossier,
    fields={
        "statut": ("acme_dossier",),
        "date_ouverture": ("acme_dossier",),
        "titulaire": ("acme_titulaire",),
    },
    checks=((Check("identifiant"),),),
    reasons=(NO_FILE,),
)

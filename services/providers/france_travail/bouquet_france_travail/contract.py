"""What is published of a jobseeker: http-contract §1.6.6, and the official document's own words."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, structs

from bouquet_proto.failures import PERIMETER, Failure, Kind
from bouquet_proto.offer import operation
from bouquet_proto.rules import Check

CATEGORIES = {
    1: "PERSONNE SANS EMPLOI DISPONIBLE DUREE INDETERMINEE PLEIN TPS",
    2: "PERSONNE SANS EMPLOI DISPONIBLE DUREE INDETERMINEE PARTIEL",
    3: "PERSONNE SANS EMPLOI DISPONIBLE DUREE DETERMINEE OU SAISON",
    4: "PERSONNE SANS EMPLOI NON DISPONIBLE IMMEDIATEMENT",
    5: "PERSONNE POURVUE D'UN EMPLOI A LA RECHERCHE D'UN AUTRE",
}
CERTIFICATIONS = ("VC", "IC", "PC", "AC", "DC", "EC", "RC")
"""`EC`, a failed certification, is in the official document's text but not in its list."""


def _among(*values: str | int) -> Meta:
    """What is known today; codes and labels are shown as France Travail writes them."""
    return Meta(extra_json_schema={"enum": [*values]})


Day: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Civilite: TypeAlias = Annotated[str, _among("MME", "M.")]
CodeCategorie: TypeAlias = Annotated[int, _among(*CATEGORIES)]
LibelleCategorie: TypeAlias = Annotated[str, _among(*CATEGORIES.values())]
Certification: TypeAlias = Annotated[str, _among(*CERTIFICATIONS)]


class Identite(Struct, frozen=True, kw_only=True):
    civilite: Annotated[Civilite | None, Meta(description="Madame ou Monsieur")]
    nom_naissance: Annotated[str | None, Meta(description="Nom de naissance")]
    nom_usage: Annotated[str | None, Meta(description="Nom d'usage")]
    prenom: Annotated[str | None, Meta(description="Prénom, limité à 13 caractères")]
    sexe: Annotated[str | None, Meta(description="Sexe : Masculin ou Féminin")]
    date_naissance: Annotated[Day | None, Meta(description="Date de naissance, AAAA-MM-JJ")]


class Contact(Struct, frozen=True, kw_only=True):
    telephone: Annotated[str | None, Meta(description="Numéro de téléphone principal")]
    telephone2: Annotated[str | None, Meta(description="Numéro de téléphone secondaire")]
    email: Annotated[str | None, Meta(description="Adresse e-mail")]


class Adresse(Struct, frozen=True, kw_only=True):
    code_postal: Annotated[str | None, Meta(description="Code postal")]
    code_cog_insee_commune: Annotated[str | None, Meta(description="Code officiel géographique de la commune")]
    localite: Annotated[str | None, Meta(description="Code postal et nom de la commune")]
    ligne_voie: Annotated[str | None, Meta(description="Voie")]
    ligne_complement_destinataire: Annotated[str | None, Meta(description="Complément de destinataire")]
    ligne_complement_adresse: Annotated[str | None, Meta(description="Complément d'adresse")]
    ligne_complement_distribution: Annotated[str | None, Meta(description="Complément de distribution")]
    ligne_nom: Annotated[str | None, Meta(description="Nom du destinataire")]


class Categorie(Struct, frozen=True, kw_only=True):
    code: Annotated[CodeCategorie, Meta(description="Code de la catégorie d'inscription")]
    libelle: Annotated[LibelleCategorie | None, Meta(description="Libellé de la catégorie d'inscription")]


class Inscription(Struct, frozen=True, kw_only=True):
    date_debut: Annotated[Day | None, Meta(description="Date d'inscription, AAAA-MM-JJ")]
    date_fin: Annotated[Day | None, Meta(description="Date de cessation d'inscription, AAAA-MM-JJ")]
    categorie: Annotated[Categorie, Meta(description="Catégorie d'inscription")]
    code_certification_cnav: Annotated[
        Certification | None,
        Meta(
            description="Certification de l'identité par la CNAV. VC : certifiée, IC : assimilée, PC : partielle. "
            "Non certifiée, AC : retour attendu, DC : demande envoyée, EC : échec, RC : refus, null : aucune"
        ),
    ]


class Statut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identifiant: Annotated[str, Meta(description="Identifiant France Travail, tel que donné à l'appel")]
    identite: Annotated[Identite, Meta(description="Identité, vérifiée par un agent de France Travail")]
    contact: Annotated[Contact, Meta(description="Données de contact")]
    adresse: Annotated[Adresse, Meta(description="Adresse déclarée par le particulier")]
    inscription: Annotated[Inscription, Meta(description="Inscription à France Travail")]


class Paiement(Struct, frozen=True, kw_only=True):
    date_versement: Annotated[Day, Meta(description="Date du paiement, AAAA-MM-JJ")]
    montant_total: Annotated[float, Meta(description="Montant total versé, après prélèvement à la source")]
    montant_allocations: Annotated[float, Meta(description="Allocations, avant prélèvement à la source")]
    montant_aides: Annotated[float, Meta(description="Aides, avant prélèvement à la source")]
    montant_autres: Annotated[float, Meta(description="Autres paiements, avant prélèvement à la source")]


class Indemnites(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identifiant: Annotated[str, Meta(description="Identifiant France Travail, tel que donné à l'appel")]
    paiements: Annotated[tuple[Paiement, ...], Meta(description="Paiements versés au particulier", min_length=1)]


NO_SITUATION = "no_situation"
NO_PAYMENT = "no_payment"

_ABSENT = Failure(
    kind=Kind.NOT_FOUND,
    code="003",
    title="Entité non trouvée",
    detail="Aucune situation France Travail n'a pu être trouvée avec les critères de recherche fournis" + PERIMETER,
    fault="caller",
)
PROBLEMS = {NO_SITUATION: structs.replace(_ABSENT, v2_reason="Situation not found"), NO_PAYMENT: _ABSENT}

_CHECKS = ((Check("identifiant"),),)

STATUT_FIELDS: dict[str, tuple[str, ...]] = {
    "identifiant": ("pole_emploi_identifiant",),
    "identite": ("pole_emploi_identite",),
    "contact": ("pole_emploi_contact",),
    "adresse": ("pole_emploi_adresse",),
    "inscription": ("pole_emploi_inscription",),
}
INDEMNITES_FIELDS: dict[str, tuple[str, ...]] = {"paiements": ("pole_emploi_paiements",)}

STATUT = operation(
    id="api_particulier_v3_france_travail_statut_with_identifiant",
    path="/v3/france_travail/statut/identifiant",
    modality="identifiant",
    summary="Statut demandeur d'emploi",
    scopes=tuple(scope for (scope,) in STATUT_FIELDS.values()),
    data=Statut,
    fields=STATUT_FIELDS,
    checks=_CHECKS,
    reasons=(NO_SITUATION,),
)
INDEMNITES = operation(
    id="api_particulier_v3_france_travail_indemnites_with_identifiant",
    path="/v3/france_travail/indemnites/identifiant",
    modality="identifiant",
    summary="Paiements versés par France Travail",
    scopes=INDEMNITES_FIELDS["paiements"],
    data=Indemnites,
    fields=INDEMNITES_FIELDS,
    checks=_CHECKS,
    reasons=(NO_PAYMENT,),
)

"""Status and payments of a jobseeker, as the API publishes them (docs/reference/contract.md §1.6.6)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, field, structs

from bouquet_worker import Check, People, PublishedOperation, absence, operation, v2_operation

CATEGORIES = {
    1: "PERSONNE SANS EMPLOI DISPONIBLE DUREE INDETERMINEE PLEIN TPS",
    2: "PERSONNE SANS EMPLOI DISPONIBLE DUREE INDETERMINEE PARTIEL",
    3: "PERSONNE SANS EMPLOI DISPONIBLE DUREE DETERMINEE OU SAISON",
    4: "PERSONNE SANS EMPLOI NON DISPONIBLE IMMEDIATEMENT",
    5: "PERSONNE POURVUE D'UN EMPLOI A LA RECHERCHE D'UN AUTRE",
}
CERTIFICATIONS = ("VC", "IC", "PC", "AC", "DC", "EC", "RC")
"""Known values of `code_certification_cnav`: how far the CNAV (the national pension fund) has certified a person's
identity."""


def _among(*values: str | int) -> Meta:
    """Returns metadata that puts a field's known values into the field's JSON schema. The values are not enforced: the
    worker publishes other values too."""
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

_ABSENT = absence("Aucune situation France Travail n'a pu être trouvée avec les critères de recherche fournis")
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
    people=(People(at="identite", prenoms="prenom"),),
    checks=_CHECKS,
    reasons=(NO_SITUATION,),
    status="pole_emploi_status",
)
INDEMNITES = operation(
    id="api_particulier_v3_france_travail_indemnites_with_identifiant",
    path="/v3/france_travail/indemnites/identifiant",
    modality="identifiant",
    summary="Paiements versés par France Travail",
    scopes=INDEMNITES_FIELDS["paiements"],
    data=Indemnites,
    fields=INDEMNITES_FIELDS,
    open_fields=("identifiant",),
    checks=_CHECKS,
    reasons=(NO_PAYMENT,),
    status="pole_emploi_indemnites",
)


# Version 2


class AdresseV2(Struct, frozen=True, kw_only=True, rename="camel"):
    insee_commune: str | None = field(name="INSEECommune")
    code_postal: str | None
    localite: str | None
    ligne_voie: str | None
    ligne_complement_destinataire: str | None
    ligne_complement_adresse: str | None
    ligne_complement_distribution: str | None
    ligne_nom: str | None


class SituationV2(Struct, frozen=True, kw_only=True, rename="camel"):
    identifiant: str
    civilite: Civilite | None
    nom: str | None
    nom_usage: str | None
    prenom: str | None
    sexe: str | None
    date_naissance: Day | None
    code_certification: Certification | None = field(name="codeCertificationCNAV")
    code_categorie_inscription: CodeCategorie
    libelle_categorie_inscription: LibelleCategorie | None
    date_inscription: Day | None
    date_cessation_inscription: Day | None
    adresse: AdresseV2
    email: str | None
    telephone: str | None
    telephone2: str | None


class PaiementV2(Struct, frozen=True, kw_only=True):
    """Paiement"""

    # The official document names these fields as in version 3; API Particulier's answers have the names below.
    date: Day
    montant: float
    allocations: float
    aides: float
    autres: float


class PaiementsV2(Struct, frozen=True, kw_only=True):
    identifiant: str
    paiements: Annotated[tuple[PaiementV2, ...], Meta(min_length=1)]


def situation_v2(statut: Statut) -> SituationV2:
    """Converts a jobseeker's status to the data that version 2 of the API publishes."""
    identite, contact, adresse, inscription = statut.identite, statut.contact, statut.adresse, statut.inscription
    return SituationV2(
        identifiant=statut.identifiant,
        civilite=identite.civilite,
        nom=identite.nom_naissance,
        nom_usage=identite.nom_usage,
        prenom=identite.prenom,
        sexe=identite.sexe,
        date_naissance=identite.date_naissance,
        code_certification=inscription.code_certification_cnav,
        code_categorie_inscription=inscription.categorie.code,
        libelle_categorie_inscription=inscription.categorie.libelle,
        date_inscription=inscription.date_debut,
        date_cessation_inscription=inscription.date_fin,
        adresse=AdresseV2(
            insee_commune=adresse.code_cog_insee_commune,
            code_postal=adresse.code_postal,
            localite=adresse.localite,
            ligne_voie=adresse.ligne_voie,
            ligne_complement_destinataire=adresse.ligne_complement_destinataire,
            ligne_complement_adresse=adresse.ligne_complement_adresse,
            ligne_complement_distribution=adresse.ligne_complement_distribution,
            ligne_nom=adresse.ligne_nom,
        ),
        email=contact.email,
        telephone=contact.telephone,
        telephone2=contact.telephone2,
    )


def paiements_v2(indemnites: Indemnites) -> PaiementsV2:
    """Converts a jobseeker's payments to the data that version 2 of the API publishes."""
    return PaiementsV2(identifiant=indemnites.identifiant, paiements=tuple(map(_paiement_v2, indemnites.paiements)))


def _paiement_v2(paiement: Paiement) -> PaiementV2:
    return PaiementV2(
        date=paiement.date_versement,
        montant=paiement.montant_total,
        allocations=paiement.montant_allocations,
        aides=paiement.montant_aides,
        autres=paiement.montant_autres,
    )


_IDENTITE_V2 = ("identifiant", "civilite", "nom", "nomUsage", "prenom", "sexe", "dateNaissance")
_INSCRIPTION_V2 = (
    "codeCertificationCNAV",
    "codeCategorieInscription",
    "libelleCategorieInscription",
    "dateInscription",
    "dateCessationInscription",
)
STATUT_FIELDS_V2: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_IDENTITE_V2, ("pole_emploi_identite",)),
    **dict.fromkeys(_INSCRIPTION_V2, ("pole_emploi_inscription",)),
    **dict.fromkeys(("email", "telephone", "telephone2"), ("pole_emploi_contact",)),
    "adresse": ("pole_emploi_adresse",),
}

STATUT_V2 = PublishedOperation(
    v2_operation(
        "api_particulier_v2_pole_emploi_statut",
        "identifiant",
        becomes="/v3/france_travail/statut",
        path="/api/v2/situations-pole-emploi",
        summary="Statut demandeur d'emploi",
        scopes=("pole_emploi_identite", "pole_emploi_contact", "pole_emploi_adresse", "pole_emploi_inscription"),
        data=SituationV2,
        fields=STATUT_FIELDS_V2,
        people=(People(nom="nom", prenoms="prenom", naissance=("dateNaissance",)),),
        checks=_CHECKS,
        reasons=(NO_SITUATION,),
        status=STATUT.status,
    ),
    situation_v2,
    Statut,
)
INDEMNITES_V2 = PublishedOperation(
    v2_operation(
        "api_particulier_v2_pole_emploi_indemnites",
        "identifiant",
        becomes="/v3/france_travail/indemnites",
        path="/api/v2/paiements-pole-emploi",
        summary="Paiements versés par France Travail",
        scopes=INDEMNITES_FIELDS["paiements"],
        data=PaiementsV2,
        fields=INDEMNITES_FIELDS,
        open_fields=("identifiant",),
        checks=_CHECKS,
        reasons=(NO_PAYMENT,),
        status=INDEMNITES.status,
    ),
    paiements_v2,
    Indemnites,
)

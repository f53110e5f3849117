"""Extract of a vehicle's registration, as the API publishes it (docs/reference/contract.md §1.6.11)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from bouquet_worker import Check, Failure, Kind, People, absence, operation

Sexe: TypeAlias = Literal["M", "F"]
Statut: TypeAlias = Literal["locataire", "titulaire", "cotitulaire"]


class Identite(Struct, frozen=True, kw_only=True):
    """Identité de la personne rattachée au véhicule, d'après le registre et non d'après FranceConnect"""

    nom: Annotated[str, Meta(description="Nom de naissance")]
    prenom: Annotated[str, Meta(description="Premier prénom")]
    sexe_etat_civil: Annotated[Sexe | None, Meta(description="Sexe à l'état civil. Null : inconnu")]
    annee_date_naissance: Annotated[int | None, Meta(description="Année de naissance")]
    mois_date_naissance: Annotated[Annotated[int, Meta(ge=1, le=12)] | None, Meta(description="Mois de naissance")]
    jour_date_naissance: Annotated[Annotated[int, Meta(ge=1, le=31)] | None, Meta(description="Jour de naissance")]
    code_departement_naissance: Annotated[
        str | None, Meta(description="Code du département de naissance. Null : inconnu, ou naissance hors de France")
    ]


class Adresse(Struct, frozen=True, kw_only=True):
    """Adresse de la personne rattachée au véhicule ; chaque champ est null si le registre ne l'a pas"""

    complement_information: Annotated[str | None, Meta(description="Complément d'adresse")]
    num_voie: Annotated[str | None, Meta(description="Numéro dans la voie")]
    type_voie: Annotated[str | None, Meta(description="Type de voie")]
    libelle_voie: Annotated[str | None, Meta(description="Libellé de la voie")]
    code_postal_ville: Annotated[str | None, Meta(description="Code postal")]
    libelle_commune: Annotated[str | None, Meta(description="Commune")]
    lieu_dit: Annotated[str | None, Meta(description="Lieu-dit ou boîte postale")]
    etage_escalier_appartement: Annotated[str | None, Meta(description="Étage, escalier ou appartement")]
    extension: Annotated[str | None, Meta(description="Extension du numéro (bis, ter…)")]
    pays: Annotated[str | None, Meta(description="Pays")]


class Code(Struct, frozen=True, kw_only=True):
    code: Annotated[str | None, Meta(description="Code")]
    label: Annotated[str | None, Meta(description="Libellé. Null : le code est inconnu ou absent")]


class Immatriculation(Struct, frozen=True, kw_only=True):
    numero_immatriculation: Annotated[str, Meta(description="Numéro d'immatriculation")]
    date_premiere_immatriculation: Annotated[
        str | None, Meta(description="Date de la première immatriculation, AAAA-MM-JJ")
    ]
    statut_location: Annotated[
        Code, Meta(description="Location du véhicule : LLD, LCB ou LCL. Null : le véhicule n'est pas loué")
    ]


class Caracteristiques(Struct, frozen=True, kw_only=True):
    marque: Annotated[str | None, Meta(description="Marque")]
    type_variante_version: Annotated[str | None, Meta(description="Type, variante et version (TVV)")]
    denomination_commerciale: Annotated[str | None, Meta(description="Dénomination commerciale")]
    masse_charge_maximale: Annotated[
        int | None, Meta(description="Masse en charge maximale admissible en service, en kilogrammes")
    ]
    categorie_vehicule: Annotated[Code, Meta(description="Catégorie européenne du véhicule")]
    genre_national: Annotated[Code, Meta(description="Genre national")]
    cylindree: Annotated[int | None, Meta(description="Cylindrée, en centimètres cubes")]
    type_carburant: Annotated[Code, Meta(description="Carburant ou source d'énergie")]
    taux_co2: Annotated[int | None, Meta(description="Émissions de CO2, en grammes par kilomètre")]
    classe_environnementale: Annotated[
        Code, Meta(description="Classe d'émission européenne, telle que Euro 6 ; à défaut, le texte du registre")
    ]


class IdentityMatching(Struct, frozen=True, kw_only=True):
    """Comparaison de l'identité FranceConnect avec celle du registre : 1.0 pour une valeur égale, sinon 0.0"""

    family_name: Annotated[float, Meta(description="Nom de naissance")]
    given_name: Annotated[float, Meta(description="Un prénom au moins")]
    birth_date: Annotated[float, Meta(description="Date de naissance, à titre d'information")]
    overall_match: Annotated[bool, Meta(description="Le nom et un prénom sont égaux")]


class ExtraitImmatriculation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identite_particulier: Identite
    adresse_particulier: Adresse
    statut_rattachement: Annotated[
        Statut | None, Meta(description="Lien de la personne avec le véhicule. Null : inconnu")
    ]
    donnees_immatriculation_vehicule: Annotated[Immatriculation, Meta(description="Immatriculation du véhicule")]
    caracteristiques_techniques_vehicule: Annotated[Caracteristiques, Meta(description="Caractéristiques techniques")]
    identity_matching: IdentityMatching


PREFIX = "ants_extrait_immatriculation_vehicule_"
IDENTITY = "identite_particulier"
MATCHING = "identity_matching"
FIELDS: dict[str, tuple[str, ...]] = {
    name: (PREFIX + name,) for name in ExtraitImmatriculation.__struct_fields__ if name not in (IDENTITY, MATCHING)
}

UNKNOWN_VEHICLE = "unknown_vehicle"
NO_SUCH_HOLDER = "no_such_holder"
PROBLEMS = {
    UNKNOWN_VEHICLE: absence(),
    NO_SUCH_HOLDER: Failure(
        kind=Kind.NOT_FOUND,
        code="404",
        title="Identité non trouvée",
        detail="Immatriculation trouvée mais aucune identité ne correspond",
        fault="caller",
    ),
}

EXTRAIT_IMMATRICULATION = operation(
    id="api_particulier_v3_ants_extrait_immatriculation_vehicule_with_france_connect",
    path="/v3/ants/extrait_immatriculation_vehicule/france_connect",
    modality="france_connect",
    summary="Extrait d'immatriculation véhicule",
    # A session never has a scope with `_identite` (docs/reference/contract.md §2.4), so that the identity is open to
    # every caller, and its scope opens nothing.
    scopes=(PREFIX + IDENTITY, *(scope for (scope,) in FIELDS.values())),
    data=ExtraitImmatriculation,
    fields=FIELDS,
    open_fields=(IDENTITY, MATCHING),
    meta_fields=(MATCHING,),
    people=(
        People(
            at=IDENTITY,
            nom="nom",
            prenoms="prenom",
            naissance=("annee_date_naissance", "mois_date_naissance", "jour_date_naissance"),
        ),
    ),
    checks=((Check("immatriculation"),),),
    pivot=(Check("prenoms_known"), Check("date_full")),
    reasons=(UNKNOWN_VEHICLE, NO_SUCH_HOLDER),
    status="ants",
)

"""Sporting status of an athlete, as the API publishes it (docs/reference/contract.md §1.6.8)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from bouquet_worker import Check, People, absence, operation

_DAY = {"format": "date"}
Day: TypeAlias = Annotated[str, Meta(extra_json_schema=_DAY)]


class Identite(Struct, frozen=True, kw_only=True):
    nom_naissance: Annotated[str, Meta(description="Nom de naissance du sportif")]
    nom_usage: Annotated[str | None, Meta(description="Nom d'usage du sportif")]
    prenoms: Annotated[str | None, Meta(description="Prénoms du sportif")]
    date_naissance: Annotated[Day | None, Meta(description="Date de naissance du sportif, AAAA-MM-JJ")]
    sexe: Annotated[Literal["M", "F"] | None, Meta(description="Sexe du sportif. Null : inconnu")]


class Periode(Struct, frozen=True, kw_only=True):
    date_debut_statut: Annotated[Day, Meta(description="Premier jour du statut, AAAA-MM-JJ")]
    date_fin_statut: Annotated[Day, Meta(description="Dernier jour du statut, AAAA-MM-JJ")]


class Federation(Struct, frozen=True, kw_only=True):
    code_federation: Annotated[str | None, Meta(description="Code de la fédération")]
    nom_federation: Annotated[str | None, Meta(description="Nom de la fédération")]
    nom_court_federation: Annotated[str | None, Meta(description="Nom court de la fédération")]


class Etablissement(Struct, frozen=True, kw_only=True):
    code_etablissement: Annotated[str | None, Meta(description="Code de l'établissement d'entraînement")]
    nom_etablissement: Annotated[str | None, Meta(description="Nom de l'établissement d'entraînement")]


class Region(Struct, frozen=True, kw_only=True):
    code_region: Annotated[str | None, Meta(description="Code de la région de l'établissement")]
    nom_region: Annotated[str | None, Meta(description="Nom de la région de l'établissement")]


class Categorie(Struct, frozen=True, kw_only=True):
    code_categorie: Annotated[str | None, Meta(description="Code de la catégorie sportive")]
    nom_categorie: Annotated[str | None, Meta(description="Nom de la catégorie sportive")]
    valeur: Annotated[str | None, Meta(description="Valeur associée à la catégorie")]


class _Statut(Struct, frozen=True, kw_only=True):
    periode: Annotated[Periode, Meta(description="Période de validité du statut")]
    federation: Annotated[Federation, Meta(description="Fédération sportive")]
    categorie: Annotated[Categorie, Meta(description="Catégorie sportive")]
    sportif_de_haut_niveau: Annotated[bool, Meta(description="Ce statut est celui d'un sportif de haut niveau")]


class InformationsStatut(_Statut, frozen=True, kw_only=True):
    """Statut sportif en cours"""

    etablissement: Annotated[Etablissement, Meta(description="Établissement d'entraînement")]
    region: Annotated[Region, Meta(description="Région de l'établissement")]


class StatutPrecedent(_Statut, frozen=True, kw_only=True):
    """Autre statut sportif que celui en cours"""

    # The official document requires neither the establishment nor the region here, and lets neither be null.
    fiche: Annotated[int, Meta(description="Numéro de la fiche")]
    etablissement: Annotated[
        Etablissement | UnsetType, Meta(description="Établissement de la période du statut, absent s'il est inconnu")
    ] = UNSET
    region: Annotated[
        Region | UnsetType, Meta(description="Région de cet établissement, absente si elle est inconnue")
    ] = UNSET


class StatutSportif(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identite: Annotated[Identite, Meta(description="Identité du sportif")]
    est_sportif_de_haut_niveau: Annotated[bool, Meta(description="La personne est sportive de haut niveau aujourd'hui")]
    a_ete_sportif_de_haut_niveau: Annotated[
        bool, Meta(description="La personne a été sportive de haut niveau, dans une période terminée")
    ]
    informations_statut: Annotated[InformationsStatut | None, Meta(description="Statut sportif en cours. Null : aucun")]
    informations_statuts_precedents: Annotated[
        tuple[StatutPrecedent, ...], Meta(description="Autres statuts sportifs de la personne")
    ]


FIELDS: dict[str, tuple[str, ...]] = {name: (f"sdh_statut_sportif_{name}",) for name in StatutSportif.__struct_fields__}

UNKNOWN_ATHLETE = "unknown_athlete"
PROBLEMS = {UNKNOWN_ATHLETE: absence()}

STATUT_SPORTIF = operation(
    id="api_particulier_v3_sdh_statut_sportif_with_identifiant",
    path="/v3/sdh/statut_sportif/identifiant",
    modality="identifiant",
    summary="Statut sportif de haut niveau et sur liste ministérielle",
    scopes=tuple(scope for (scope,) in FIELDS.values()),
    data=StatutSportif,
    fields=FIELDS,
    people=(People(at="identite"),),
    checks=((Check("identifiant_numerique"),),),
    reasons=(UNKNOWN_ATHLETE,),
    status="sdh_statut_sportif",
)

"""What is published of a student: http-contract §1.6.4. FranceConnect shows the same without the identity."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from bouquet_proto.failures import PERIMETER, Failure, Kind
from bouquet_proto.rules import Check
from bouquet_worker.views import showing

CodeRegime: TypeAlias = Literal["RF1", "RF2", "RF3", "RF4", "RF5", "RF6", "RF7"]

_DAY = {"format": "date"}


class Identite(Struct, frozen=True, kw_only=True):
    nom_naissance: Annotated[str, Meta(description="Nom de naissance de l'étudiant")]
    prenom: Annotated[str | None, Meta(description="Premier prénom de l'étudiant")]
    date_naissance: Annotated[
        str | None, Meta(description="Date de naissance de l'étudiant, AAAA-MM-JJ", extra_json_schema=_DAY)
    ]


class RegimeFormation(Struct, frozen=True, kw_only=True):
    """A regime that the ministry adds some day is shown with no code (upstreams/07 §7.3)."""

    libelle: Annotated[str | None, Meta(description="Régime de formation, dans les mots du ministère")]
    code: Annotated[CodeRegime | None, Meta(description="Code du régime, pour les traitements automatiques")]


class Etablissement(Struct, frozen=True, kw_only=True):
    uai: Annotated[str | None, Meta(description="Code UAI de l'établissement")]
    nom: Annotated[str | None, Meta(description="Appellation officielle de l'établissement")]


class Admission(Struct, frozen=True, kw_only=True):
    date_debut: Annotated[
        str | None, Meta(description="Début de la période d'études dans l'établissement", extra_json_schema=_DAY)
    ]
    date_fin: Annotated[
        str | None, Meta(description="Fin de la période d'études dans l'établissement", extra_json_schema=_DAY)
    ]
    est_inscrit: Annotated[
        bool, Meta(description="L'étudiant est inscrit, droits réglés. False : il n'est encore qu'admis")
    ]
    regime_formation: Annotated[RegimeFormation, Meta(description="Régime de formation de l'étudiant")]
    code_cog_insee_commune: Annotated[
        str | None, Meta(description="Code officiel géographique de la commune de l'établissement")
    ]
    etablissement_etudes: Annotated[Etablissement, Meta(description="Établissement où l'étudiant est admis")]


class StatutEtudiantSansIdentite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    admissions: Annotated[
        tuple[Admission, ...], Meta(description="Admissions de l'étudiant pour l'année, une par établissement")
    ]


class StatutEtudiant(StatutEtudiantSansIdentite, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identite: Annotated[Identite, Meta(description="Identité de l'étudiant, certifiée par le ministère")]


FIELDS: dict[str, tuple[str, ...]] = {
    "identite": ("mesri_identite",),
    "admissions": ("mesri_admissions",),
    "admissions.est_inscrit": ("mesri_admission_inscrit",),
    "admissions.regime_formation": ("mesri_admission_regime_formation",),
    "admissions.code_cog_insee_commune": ("mesri_admission_commune_etudes",),
    "admissions.etablissement_etudes": ("mesri_admission_etablissement_etudes",),
}

UNKNOWN_STUDENT = "unknown_student"

PROBLEMS = {
    UNKNOWN_STUDENT: Failure(
        kind=Kind.NOT_FOUND,
        code="003",
        title="Entité non trouvée",
        detail="Aucun étudiant n'a pu être trouvé avec les critères de recherche fournis" + PERIMETER,
        fault="caller",
        v2_reason="Student not found",
    ),
}

_COMMON = {
    "summary": "Statut étudiant",
    "scopes": tuple(scope for scopes in FIELDS.values() for scope in scopes),
    "reasons": (UNKNOWN_STUDENT,),
}

IDENTITE = showing(
    StatutEtudiant,
    fields=FIELDS,
    id="api_particulier_v3_mesri_statut_etudiant_with_civility",
    path="/v3/mesri/statut_etudiant/identite",
    modality="identite",
    checks=(
        (
            Check("nom"),
            Check("prenoms_required"),
            Check("date_full"),
            Check("sexe_required"),
            Check("commune_optional"),
            Check("place_silent"),
        ),
    ),
    **_COMMON,
)
INE = showing(
    StatutEtudiant,
    fields=FIELDS,
    id="api_particulier_v3_mesri_statut_etudiant_with_ine",
    path="/v3/mesri/statut_etudiant/ine",
    modality="ine",
    checks=((Check("ine"),),),
    **_COMMON,
)
FRANCE_CONNECT = showing(
    StatutEtudiantSansIdentite,
    fields=FIELDS,
    id="api_particulier_v3_mesri_statut_etudiant_with_france_connect",
    path="/v3/mesri/statut_etudiant/france_connect",
    modality="france_connect",
    checks=(),
    **_COMMON,
)

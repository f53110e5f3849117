"""Admissions and enrolments of a student, as the API publishes them (docs/reference/contract.md §1.6.4)."""
# From version 3 on, answers to questions by FranceConnect contain no identity. In version 2, a caller sees the
# enrolments of a kind of training only with the scope for that kind, and admissions only with the scope for admissions.

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, field

from bouquet_worker import Check, Modality, People, PublishedOperation, absence, published_operation, v2_operation

CodeRegime: TypeAlias = Literal["RF1", "RF2", "RF3", "RF4", "RF5", "RF6", "RF7"]

_DAY = {"format": "date"}


class Identite(Struct, frozen=True, kw_only=True):
    nom_naissance: Annotated[str, Meta(description="Nom de naissance de l'étudiant")]
    prenom: Annotated[str | None, Meta(description="Premier prénom de l'étudiant")]
    date_naissance: Annotated[
        str | None, Meta(description="Date de naissance de l'étudiant, AAAA-MM-JJ", extra_json_schema=_DAY)
    ]


class RegimeFormation(Struct, frozen=True, kw_only=True):
    # A regime that is not in the table of codes is published without a code (docs/reference/upstreams/mesr.md §3).

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
        bool | None,
        Meta(description="L'étudiant est inscrit, droits réglés. False : il n'est encore qu'admis. Null : inconnu"),
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


class Etudiant(StatutEtudiant, frozen=True, kw_only=True):
    """Student, as the worker's handlers return it: with all the fields that any version of the API publishes."""

    ine: str | None = None
    """National student number (INE); `None` if the student was found by civil status."""


FIELDS: dict[str, tuple[str, ...]] = {
    "identite": ("mesri_identite",),
    "admissions": ("mesri_admissions",),
    "admissions.est_inscrit": ("mesri_admission_inscrit",),
    "admissions.regime_formation": ("mesri_admission_regime_formation",),
    "admissions.code_cog_insee_commune": ("mesri_admission_commune_etudes",),
    "admissions.etablissement_etudes": ("mesri_admission_etablissement_etudes",),
}

UNKNOWN_STUDENT = "unknown_student"
WRONG_INE = "identifier_refused"
WRONG_IDENTITY = "civil_status_refused"
SEVERAL = "identity_ambiguous"

PROBLEMS = {
    UNKNOWN_STUDENT: absence(
        "Aucun étudiant n'a pu être trouvé avec les critères de recherche fournis", v2_reason="Student not found"
    ),
}

_PERSON = (
    Check("nom"),
    Check("prenoms_required"),
    Check("date_full"),
    Check("sexe_required"),
    Check("commune_optional"),
    Check("place_optional"),
)
_PIVOT = (Check("prenoms_known"), Check("date_full"), Check("sexe_required"))
_COMMON: dict[str, Any] = {
    "summary": "Statut étudiant",
    "scopes": tuple(scope for scopes in FIELDS.values() for scope in scopes),
    "people": (People(at="identite", prenoms="prenom"),),
}
_REASONS_OF_INE = (UNKNOWN_STUDENT, WRONG_INE)
_REASONS_OF_PERSON = (UNKNOWN_STUDENT, WRONG_IDENTITY, SEVERAL)

BY_IDENTITY = "mesri_statut_etudiant_identite"
"""Name under which `/api/{name}/ping` shows the health of the operations that find a student by civil status
(docs/reference/contract.md §5.3)."""

IDENTITE = published_operation(
    StatutEtudiant,
    fields=FIELDS,
    id="api_particulier_v3_mesri_statut_etudiant_with_civility",
    path="/v3/mesri/statut_etudiant/identite",
    modality="identite",
    checks=(_PERSON,),
    reasons=_REASONS_OF_PERSON,
    **_COMMON,
)
INE = published_operation(
    StatutEtudiant,
    fields=FIELDS,
    id="api_particulier_v3_mesri_statut_etudiant_with_ine",
    path="/v3/mesri/statut_etudiant/ine",
    modality="ine",
    checks=((Check("ine"),),),
    reasons=_REASONS_OF_INE,
    **_COMMON,
)
FRANCE_CONNECT = published_operation(
    StatutEtudiantSansIdentite,
    fields=FIELDS,
    id="api_particulier_v3_mesri_statut_etudiant_with_france_connect",
    path="/v3/mesri/statut_etudiant/france_connect",
    modality="france_connect",
    checks=(),
    pivot=_PIVOT,
    reasons=_REASONS_OF_PERSON,
    status=BY_IDENTITY,
    **_COMMON,
)


# Version 2

INITIALE = ("formation initiale", "mesri_inscription_etudiant")
CONTINUE = ("formation continue", "mesri_inscription_autre")
FORMATIONS: dict[CodeRegime | None, tuple[str, str]] = {
    **dict.fromkeys(("RF1", "RF2", "RF3", "RF4"), INITIALE),
    **dict.fromkeys(("RF5", "RF6", "RF7"), CONTINUE),
}
"""Maps the code of a training regime to the kind of training in version 2, and to the scope needed to see the
enrolment."""


class InscriptionV2(Struct, frozen=True, kw_only=True, rename="camel"):
    """Inscription ou admission ; objet vide si le jeton n'a pas le scope de ce type de formation"""

    statut: Literal["inscrit", "admis"] | UnsetType = UNSET
    regime: str | UnsetType | None = UNSET
    date_debut_inscription: str | UnsetType | None = UNSET
    date_fin_inscription: str | UnsetType | None = UNSET
    date_debut_admission: str | UnsetType | None = UNSET
    date_fin_admission: str | UnsetType | None = UNSET
    etablissement: Etablissement | UnsetType = UNSET
    code_commune: Annotated[
        str | UnsetType | None,
        Meta(description="Code officiel géographique de la commune de l'établissement"),
    ] = UNSET
    """INSEE code of the establishment's commune. API Particulier answers null in production and a code in its sandbox;
    Bouquet always answers the code (docs/contract.md, C10)."""


class InscriptionFermee(InscriptionV2, frozen=True, kw_only=True, rename="camel"):
    """Enrolment or admission that a gateway shows only to callers with at least one of the scopes `opened_by`. If
    `opened_by` is empty, no caller sees it."""

    opened_by: tuple[str, ...] = field(name="$any")


class EtudiantV2(Struct, frozen=True, kw_only=True, rename="camel"):
    ine: str | UnsetType = UNSET
    nom: str
    prenom: str | None
    date_naissance: str | None
    inscriptions: tuple[InscriptionV2, ...]


def etudiant_v2(etudiant: Etudiant) -> EtudiantV2:
    """Converts a student to the form in which version 2 of the API publishes students."""
    return EtudiantV2(
        ine=etudiant.ine or UNSET,
        nom=etudiant.identite.nom_naissance,
        prenom=etudiant.identite.prenom,
        date_naissance=etudiant.identite.date_naissance,
        inscriptions=tuple(map(_inscription_v2, etudiant.admissions)),
    )


def _inscription_v2(admission: Admission) -> InscriptionFermee:
    """Converts an admission or an enrolment to the form in which version 2 publishes it."""
    # No scope opens an enrolment in an unknown regime, or one that may be an enrolment or an admission.

    place: dict[str, Any] = {
        "etablissement": admission.etablissement_etudes,
        "code_commune": admission.code_cog_insee_commune,
    }
    if admission.est_inscrit is None:
        return InscriptionFermee(opened_by=())
    if not admission.est_inscrit:
        return InscriptionFermee(
            opened_by=("mesri_admission",),
            statut="admis",
            regime=admission.regime_formation.libelle,
            date_debut_admission=admission.date_debut,
            date_fin_admission=admission.date_fin,
            **place,
        )
    regime, *opened_by = FORMATIONS.get(admission.regime_formation.code, (None,))
    return InscriptionFermee(
        opened_by=tuple(opened_by),
        statut="inscrit",
        regime=regime,
        date_debut_inscription=admission.date_debut,
        date_fin_inscription=admission.date_fin,
        **place,
    )


ENROLMENTS = ("mesri_inscription_etudiant", "mesri_inscription_autre", "mesri_admission", "mesri_etablissements")
FIELDS_V2: dict[str, tuple[str, ...]] = {
    "ine": ("mesri_identifiant",),
    "nom": ("mesri_identite",),
    "prenom": ("mesri_identite",),
    "dateNaissance": ("mesri_identite",),
    "inscriptions": ENROLMENTS,
    "inscriptions.etablissement": ("mesri_etablissements",),
    "inscriptions.codeCommune": ("mesri_etablissements",),
}


def _v2(modality: Modality, *checks: Check, pivot: tuple[Check, ...] = ()) -> PublishedOperation[Etudiant]:
    return PublishedOperation(
        v2_operation(
            "api_particulier_v2_mesri_student_status",
            modality,
            becomes="/v3/mesri/statut_etudiant",
            path="/api/v2/etudiants",
            summary="Statut étudiant",
            scopes=("mesri_identifiant", "mesri_identite", *ENROLMENTS),
            data=EtudiantV2,
            fields=FIELDS_V2,
            people=(People(nom="nom", prenoms="prenom", naissance=("dateNaissance",)),),
            checks=(checks,),
            pivot=pivot,
            gated=True,
            reasons=_REASONS_OF_INE if modality == "ine" else _REASONS_OF_PERSON,
            **({} if modality == "ine" else {"status": BY_IDENTITY}),
        ),
        etudiant_v2,
        Etudiant,
    )


IDENTITE_V2 = _v2(
    "identite",
    Check("nom", {"nom_naissance": "nom"}),
    Check("prenom"),
    Check("date_in_one"),
    Check("sexe_required", {"sexe_etat_civil": "sexe"}),
    Check("commune_optional", {"code_cog_insee_commune_naissance": "lieuDeNaissance"}),
)
INE_V2 = _v2("ine", Check("ine"))
FRANCE_CONNECT_V2 = _v2("france_connect", pivot=_PIVOT)

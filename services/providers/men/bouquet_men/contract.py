"""Schooling of a pupil, as the API publishes it (docs/reference/contract.md §1.6.7)."""
# Versions 3 and 4 have the same fields; version 5 adds `regime_pensionnat`. Version 2 names some fields differently,
# and has no search by département or region.

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bouquet_worker import (
    Check,
    Failure,
    Kind,
    People,
    PublishedOperation,
    Retirement,
    absence,
    published_operation,
    v2_operation,
)

REGIMES = {
    "0": "Externe libre",
    "1": "Externe surveillé",
    "2": "Demi-pensionnaire dans l'établissement",
    "3": "Interne dans l'établissement",
    "4": "Interne externé",
    "5": "Interne hébergé",
    "6": "Demi-pensionnaire hors l'établissement",
}


class Identite(Struct, frozen=True, kw_only=True):
    nom: Annotated[str, Meta(description="Nom de l'élève")]
    prenom: Annotated[str, Meta(description="Prénom de l'élève")]
    sexe: Annotated[Literal["M", "F"] | None, Meta(description="Sexe de l'élève, masculin ou féminin. Null : inconnu")]
    date_naissance: Annotated[str, Meta(description="Date de naissance de l'élève, AAAA-MM-JJ")]


class StatutEleve(Struct, frozen=True, kw_only=True):
    code: Annotated[str, Meta(description="Code du statut sous lequel l'élève est scolarisé : ST, AP, CQ, FC, ED, IN…")]
    libelle: Annotated[str, Meta(description="Libellé de ce statut")]


class ModuleElementaireFormation(Struct, frozen=True, kw_only=True):
    code_mef_stat: Annotated[str | None, Meta(description="Code MEF Stat 11, selon la BCN")]
    libelle: Annotated[str | None, Meta(description="Libellé long, selon la BCN")]


class Etablissement(Struct, frozen=True, kw_only=True):
    code_uai: Annotated[str, Meta(description="Code UAI de l'établissement", pattern=r"^\d{7}\w$")]
    code_ministere_tutelle: Annotated[
        str | None, Meta(description="Code du ministère de tutelle principale, deux chiffres, selon la BCN")
    ]


class RegimePensionnat(Struct, frozen=True, kw_only=True):
    """Régime de pensionnat de l'élève"""

    # A code that is not in `REGIMES` is published without a label (docs/reference/upstreams/men.md §3).
    code: Annotated[
        str, Meta(description="Code du régime, selon la nomenclature BCN", extra_json_schema={"enum": [*REGIMES]})
    ]
    libelle: Annotated[str | None, Meta(description="Libellé du régime de pensionnat de l'élève")]


class Scolarite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identite: Annotated[Identite, Meta(description="Identité de l'élève, vérifiée par son établissement")]
    annee_scolaire: Annotated[str, Meta(description="Année scolaire de l'élève", pattern=r"^\d{4}$|^\d{4}-\d{4}$")]
    est_scolarise: Annotated[bool, Meta(description="L'élève est scolarisé dans un établissement")]
    statut_eleve: Annotated[StatutEleve, Meta(description="Statut sous lequel l'élève est scolarisé")]
    module_elementaire_formation: Annotated[
        ModuleElementaireFormation, Meta(description="Module élémentaire de formation (MEF)")
    ]
    etablissement: Annotated[Etablissement, Meta(description="Établissement où l'élève est scolarisé")]
    est_boursier: Annotated[
        bool | None,
        Meta(description="L'élève est boursier. Null : inconnu. Avant mi-octobre, false peut aussi dire inconnu"),
    ]
    echelon_bourse: Annotated[
        Annotated[int, Meta(ge=1, le=6)] | None,
        Meta(description="Échelon de la bourse : 1 à 3 au collège, 1 à 6 au lycée"),
    ]


class ScolariteEtRegime(Scolarite, frozen=True, kw_only=True, forbid_unknown_fields=True):
    regime_pensionnat: Annotated[
        RegimePensionnat | None, Meta(description="Régime de pensionnat de l'élève, null s'il n'est pas connu")
    ]


FIELDS: dict[str, tuple[str, ...]] = {
    "identite": ("men_statut_identite",),
    "annee_scolaire": ("men_statut_scolarite",),
    "est_scolarise": ("men_statut_scolarite",),
    "statut_eleve": ("men_statut_scolarite",),
    "module_elementaire_formation": ("men_statut_module_elementaire_formation",),
    "etablissement": ("men_statut_etablissement",),
    "est_boursier": ("men_statut_boursier",),
    "echelon_bourse": ("men_echelon_bourse",),
    "regime_pensionnat": ("men_regime_pensionnat",),
}

UNKNOWN_PUPIL = "unknown_pupil"
NOT_ENROLLED = "not_enrolled"

PROBLEMS = {
    UNKNOWN_PUPIL: absence(
        "Aucun élève n'a pu être trouvé avec les critères de recherche fournis", v2_reason="Student not found"
    ),
    NOT_ENROLLED: Failure(
        kind=Kind.NOT_FOUND,
        code="404",
        title="Scolarité non trouvée",
        detail="Aucune scolarité n'a pu être trouvée pour cet élève",
        fault="caller",
        v2_reason="Student not found",
    ),
}

SUPERSEDED = Retirement(deprecated_on="2026-04-28", sunset_on="2027-09-01", successor="/v5/men/scolarites/identite")
"""End of versions 3 and 4 of the operations about a pupil's schooling: the dates, and the path of their successor."""
# Bouquet's own date leaves software editors a whole school year, and falls just after the ministry's yearly purge
# (docs/reference/upstreams/men.md §3).


STATUS = "men_scolarite"


def _scolarites(version: int, data: type[Scolarite], retirement: Retirement | None = None) -> PublishedOperation[Any]:
    return published_operation(
        data,
        id=f"api_particulier_v{version}_men_scolarites_with_civility",
        path=f"/v{version}/men/scolarites/identite",
        modality="identite",
        summary="Statut élève scolarisé et boursier",
        scopes=tuple(dict.fromkeys(scope for (scope,) in FIELDS.values())),
        fields=FIELDS,
        people=(People(at="identite", nom="nom", prenoms="prenom"),),
        checks=(
            (
                Check("nom"),
                Check("prenoms_required"),
                Check("date_full"),
                Check("sexe_required"),
                Check("school_search"),
                Check("annee_scolaire"),
            ),
        ),
        reasons=(UNKNOWN_PUPIL, NOT_ENROLLED),
        retirement=retirement,
        status=STATUS,
    )


V3 = _scolarites(3, Scolarite, SUPERSEDED)
V4 = _scolarites(4, Scolarite, SUPERSEDED)
V5 = _scolarites(5, ScolariteEtRegime)


# Version 2


class ScolariteV2(Struct, frozen=True, kw_only=True):
    eleve: Identite
    annee_scolaire: str
    est_scolarise: bool
    status_eleve: StatutEleve
    # The official document calls this field `statut_eleve`, which API Particulier's answers do not.
    code_etablissement: str
    est_boursier: bool | None
    niveau_bourse: Annotated[int, Meta(ge=1, le=6)] | None


def scolarite_v2(scolarite: ScolariteEtRegime) -> ScolariteV2:
    """Converts a pupil's schooling to the form in which version 2 of the API publishes it."""
    return ScolariteV2(
        eleve=scolarite.identite,
        annee_scolaire=scolarite.annee_scolaire,
        est_scolarise=scolarite.est_scolarise,
        status_eleve=scolarite.statut_eleve,
        code_etablissement=scolarite.etablissement.code_uai,
        est_boursier=scolarite.est_boursier,
        niveau_bourse=scolarite.echelon_bourse,
    )


V2 = PublishedOperation(
    v2_operation(
        "api_particulier_v2_men_scolarites",
        "identite",
        becomes="/v5/men/scolarites",
        path="/api/v2/scolarites",
        status=STATUS,
        summary="Statut élève scolarisé et boursier",
        scopes=("men_statut_scolarite", "men_statut_boursier", "men_echelon_bourse"),
        data=ScolariteV2,
        fields={
            **dict.fromkeys(("eleve", "annee_scolaire", "est_scolarise", "status_eleve"), ("men_statut_scolarite",)),
            "est_boursier": ("men_statut_boursier",),
            "niveau_bourse": ("men_statut_boursier&men_echelon_bourse",),
        },
        open_fields=("code_etablissement",),
        people=(People(at="eleve", nom="nom", prenoms="prenom"),),
        checks=(
            (
                Check("nom", {"nom_naissance": "nom"}),
                Check("prenom"),
                Check("date_in_one", {"date_naissance": "dateNaissance"}),
                Check("sexe_required", {"sexe_etat_civil": "sexe"}),
                Check("school"),
                Check("annee_scolaire"),
            ),
        ),
        reasons=(UNKNOWN_PUPIL, NOT_ENROLLED),
    ),
    scolarite_v2,
    ScolariteEtRegime,
)

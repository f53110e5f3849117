"""What is published of a scholarship holder: http-contract §1.6.5. FranceConnect shows the same without the identity.

Version 4 tells of strikings-off in `statut_boursier`, where version 3 has but `est_boursier`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bouquet_proto.failures import PERIMETER, Failure, Kind
from bouquet_proto.offer import Retirement
from bouquet_proto.rules import Check
from bouquet_worker.views import showing
from bouquet_worker.worker import Published

_DAY = {"format": "date"}
_HOLDER = Meta(description="L'étudiant est boursier")


class Identite(Struct, frozen=True, kw_only=True):
    """The second first name of the reference may be null: it is left out (C16)."""

    nom: Annotated[str, Meta(description="Nom de naissance de l'étudiant")]
    prenoms: Annotated[tuple[str, ...], Meta(description="Prénoms de l'étudiant, deux au plus")]
    date_naissance: Annotated[str | None, Meta(description="Date de naissance de l'étudiant", extra_json_schema=_DAY)]
    nom_commune_naissance: Annotated[str | None, Meta(description="Commune de naissance, telle qu'il l'a déclarée")]
    sexe: Annotated[Literal["M", "F"] | None, Meta(description="Sexe de l'étudiant")]


class EchelonBourse(Struct, frozen=True, kw_only=True):
    echelon: Annotated[str | None, Meta(description="Échelon de la bourse : 0bis, ou de 1 à 7")]
    echelon_bourse_regionale_provisoire: Annotated[
        bool | None, Meta(description="L'échelon est provisoire, pour une bourse régionale")
    ]


class PeriodeVersement(Struct, frozen=True, kw_only=True):
    date_rentree: Annotated[
        str | None, Meta(description="Date de rentrée, où les versements commencent", extra_json_schema=_DAY)
    ]
    duree: Annotated[int | None, Meta(description="Nombre de mois de versement")]


class EtablissementEtudes(Struct, frozen=True, kw_only=True):
    nom_commune: Annotated[str | None, Meta(description="Commune d'études")]
    nom_etablissement: Annotated[str | None, Meta(description="Établissement d'études")]


class StatutBoursier(Struct, frozen=True, kw_only=True):
    est_boursier: Annotated[bool, _HOLDER]
    est_radie: Annotated[bool, Meta(description="L'étudiant a été radié")]
    date_radiation: Annotated[
        str | None, Meta(description="Date de radiation, pour un étudiant radié", extra_json_schema=_DAY)
    ]


class _Bourse(Struct, frozen=True, kw_only=True):
    """What every shape shows."""

    email: Annotated[str | None, Meta(description="Adresse électronique de l'étudiant")]
    echelon_bourse: Annotated[EchelonBourse, Meta(description="Échelon de la bourse")]
    periode_versement_bourse: Annotated[PeriodeVersement, Meta(description="Période de versement de la bourse")]
    etablissement_etudes: Annotated[EtablissementEtudes, Meta(description="Établissement d'études de l'étudiant")]


class EtudiantBoursierV3SansIdentite(_Bourse, frozen=True, kw_only=True, forbid_unknown_fields=True):
    est_boursier: Annotated[bool, _HOLDER]


class EtudiantBoursierV3(EtudiantBoursierV3SansIdentite, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identite: Annotated[Identite, Meta(description="Identité de l'étudiant, telle qu'il l'a déclarée")]


class EtudiantBoursierSansIdentite(_Bourse, frozen=True, kw_only=True, forbid_unknown_fields=True):
    statut_boursier: Annotated[StatutBoursier, Meta(description="Statut boursier de l'étudiant")]


class EtudiantBoursier(EtudiantBoursierSansIdentite, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole, of which every shape shows a part."""

    identite: Annotated[Identite, Meta(description="Identité de l'étudiant, telle qu'il l'a déclarée")]

    @property
    def est_boursier(self) -> bool:
        """As version 3 says it."""
        return self.statut_boursier.est_boursier


FIELDS: dict[str, tuple[str, ...]] = {
    "identite": ("cnous_identite",),
    "email": ("cnous_email",),
    "est_boursier": ("cnous_statut_boursier",),
    "statut_boursier": ("cnous_statut_boursier",),
    "echelon_bourse": ("cnous_echelon_bourse",),
    "periode_versement_bourse": ("cnous_periode_versement",),
    "etablissement_etudes": ("cnous_ville_etudes",),
}
SCOPES = (
    "cnous_statut_boursier",
    "cnous_echelon_bourse",
    "cnous_email",
    "cnous_periode_versement",
    "cnous_statut_bourse",  # opens a field of v2 only
    "cnous_ville_etudes",
    "cnous_identite",
)

NO_SCHOLARSHIP = "no_scholarship"
SEVERAL = "several_matches"
WRONG_INE = "00360"
WRONG_IDENTITY = "00366"

PROBLEMS = {
    NO_SCHOLARSHIP: Failure(
        kind=Kind.NOT_FOUND,
        code="003",
        title="Entité non trouvée",
        detail="Aucun étudiant boursier n'a pu être trouvé avec les critères de recherche fournis" + PERIMETER,
        fault="caller",
        v2_reason="Scholarship not found",
    ),
}

_CAMPAIGN = (Check("campaign_year"),)
_PERSON = (
    Check("nom"),
    Check("prenoms_required"),
    Check("date_full"),
    Check("sexe_optional"),
    Check("commune_free"),
    Check("place_silent"),
)


def _superseded(resource: str) -> Retirement:
    """The official document flags version 3 since its edition of that day. It tells no end: ours leaves editors a
    whole school year, and falls when a campaign begins."""
    return Retirement(deprecated_on="2026-04-28", sunset_on="2027-09-01", successor=f"/v4/{resource}")


def _both_versions(
    v3: type[Struct], v4: type[Struct], name: str, modality: str, wrong: str, *checks: tuple[Check, ...]
) -> tuple[Published[EtudiantBoursier], ...]:
    """`name` is how operation ids call the modality."""
    resource = f"cnous/etudiant_boursier/{modality}"
    common: dict[str, Any] = {
        "fields": FIELDS,
        "modality": modality,
        "summary": "Statut étudiant boursier",
        "scopes": SCOPES,
        "checks": checks,
        "reasons": (NO_SCHOLARSHIP, SEVERAL, wrong),
    }
    operation_id = f"api_particulier_v{{}}_cnous_etudiant_boursier_with_{name}"
    return (
        showing(v3, id=operation_id.format(3), path=f"/v3/{resource}", retirement=_superseded(resource), **common),
        showing(v4, id=operation_id.format(4), path=f"/v4/{resource}", **common),
    )


IDENTITE = _both_versions(
    EtudiantBoursierV3, EtudiantBoursier, "civility", "identite", WRONG_IDENTITY, _PERSON, _CAMPAIGN
)
INE = _both_versions(EtudiantBoursierV3, EtudiantBoursier, "ine", "ine", WRONG_INE, (Check("ine"),), _CAMPAIGN)
FRANCE_CONNECT = _both_versions(
    EtudiantBoursierV3SansIdentite,
    EtudiantBoursierSansIdentite,
    "france_connect",
    "france_connect",
    WRONG_IDENTITY,
    _CAMPAIGN,
)

"""Status of a scholarship holder, as the API publishes it (docs/reference/contract.md §1.6.5). Versions differ in their
fields, and answers about a FranceConnect session never contain the student's identity."""
# Version 3 has `est_boursier`. Version 4 has `statut_boursier` instead, which also says whether the student was struck
# off (`est_radie`). Version 5 adds the INE. Only version 2 has the status of the grant; the later versions only say
# whether the grant is provisional.

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from bouquet_worker import (
    Check,
    Modality,
    People,
    PublishedOperation,
    Retirement,
    absence,
    published_operation,
    v2_operation,
)

_DAY = {"format": "date"}
_HOLDER = Meta(description="L'étudiant est boursier")


class Identite(Struct, frozen=True, kw_only=True):
    # API Particulier may publish null as a second first name; it is left out here (docs/contract.md, C16).

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
    duree: Annotated[int | float | None, Meta(description="Nombre de mois de versement")]


class EtablissementEtudes(Struct, frozen=True, kw_only=True):
    nom_commune: Annotated[str | None, Meta(description="Commune d'études")]
    nom_etablissement: Annotated[str | None, Meta(description="Établissement d'études")]


class StatutBoursier(Struct, frozen=True, kw_only=True):
    est_boursier: Annotated[bool, _HOLDER]
    est_radie: Annotated[bool | None, Meta(description="L'étudiant a été radié. Null : inconnu")]
    date_radiation: Annotated[
        str | None, Meta(description="Date de radiation, pour un étudiant radié", extra_json_schema=_DAY)
    ]


class _Bourse(Struct, frozen=True, kw_only=True):
    email: Annotated[str | None, Meta(description="Adresse électronique de l'étudiant")]
    echelon_bourse: Annotated[EchelonBourse, Meta(description="Échelon de la bourse")]
    periode_versement_bourse: Annotated[PeriodeVersement, Meta(description="Période de versement de la bourse")]
    etablissement_etudes: Annotated[EtablissementEtudes, Meta(description="Établissement d'études de l'étudiant")]


class EtudiantBoursierV3SansIdentite(_Bourse, frozen=True, kw_only=True, forbid_unknown_fields=True):
    est_boursier: Annotated[bool, _HOLDER]


class EtudiantBoursierV3(EtudiantBoursierV3SansIdentite, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identite: Annotated[Identite, Meta(description="Identité de l'étudiant, telle qu'il l'a déclarée")]


class EtudiantBoursierV4SansIdentite(_Bourse, frozen=True, kw_only=True, forbid_unknown_fields=True):
    statut_boursier: Annotated[StatutBoursier, Meta(description="Statut boursier de l'étudiant")]


class EtudiantBoursierV4(EtudiantBoursierV4SansIdentite, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identite: Annotated[Identite, Meta(description="Identité de l'étudiant, telle qu'il l'a déclarée")]


class EtudiantBoursierSansIdentite(
    EtudiantBoursierV4SansIdentite, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    ine: Annotated[str | None, Meta(description="Identifiant national de l'étudiant (INE)")]


class EtudiantBoursier(EtudiantBoursierSansIdentite, frozen=True, kw_only=True, forbid_unknown_fields=True):
    identite: Annotated[Identite, Meta(description="Identité de l'étudiant, telle qu'il l'a déclarée")]


class Dossier(EtudiantBoursier, frozen=True, kw_only=True):
    """Scholarship of a student, as the worker's handlers return it, with the fields of all versions of the API."""

    statut_bourse: int | None
    """Status of the grant: 0 is final, a higher number provisional, `None` unknown (docs/contract.md, D13)."""

    @property
    def est_boursier(self) -> bool:
        """Whether the student holds a scholarship, as version 3 of the API publishes it."""
        return self.statut_boursier.est_boursier


FIELDS: dict[str, tuple[str, ...]] = {
    "ine": ("cnous_ine",),
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
WRONG_INE = "identifier_refused"
WRONG_IDENTITY = "civil_status_refused"

PROBLEMS = {
    NO_SCHOLARSHIP: absence(
        "Aucun étudiant boursier n'a pu être trouvé avec les critères de recherche fournis",
        v2_reason="Scholarship not found",
    ),
}

_CAMPAIGN = (Check("campaign_year"),)
_PERSON = (
    Check("nom"),
    Check("prenoms_required"),
    Check("date_full"),
    Check("sexe_free"),
    Check("commune_free"),
    Check("place_optional"),
)
_PIVOT = (Check("prenoms_known"), Check("date_full"))


class Version(NamedTuple):
    """Version of the API, 3 or later, with the structs and scopes of its operations about scholarship holders."""

    number: int
    data: type[Struct]
    by_session: type[Struct]
    """Struct of the answers to calls by FranceConnect, without the student's identity."""
    scopes: tuple[str, ...] = SCOPES
    superseded_on: str = ""
    """Date, `YYYY-MM-DD`, on which the next version replaced this one; empty for the latest version."""


VERSIONS = (
    Version(3, EtudiantBoursierV3, EtudiantBoursierV3SansIdentite, superseded_on="2026-04-28"),
    Version(4, EtudiantBoursierV4, EtudiantBoursierV4SansIdentite, superseded_on="2026-07-21"),
    Version(5, EtudiantBoursier, EtudiantBoursierSansIdentite, (*SCOPES, "cnous_ine")),
)
SUNSET = "2027-09-01"
"""Date, `YYYY-MM-DD`, on which versions 3 and 4 of the operations about scholarship holders end."""
# Bouquet itself has chosen the date.
# The date leaves software editors a whole school year, and is the time when a yearly campaign of scholarships begins.


def _every_version(
    name: str, modality: Modality, wrong: str, *checks: tuple[Check, ...], pivot: tuple[Check, ...] = ()
) -> tuple[PublishedOperation[Dossier], ...]:
    """Returns the operations, one for each version from 3 on, that find a student by `modality` (kind of identity).
    `name` is the end of the operations' ids. `checks` are the rules for parameters, and `pivot` the rules for an
    identity from FranceConnect. `wrong` is the reason to report if Cnous refuses the student's identity."""
    resource = f"cnous/etudiant_boursier/{modality}"
    latest = f"/v{VERSIONS[-1].number}/{resource}"
    return tuple(
        published_operation(
            version.by_session if modality == "france_connect" else version.data,
            id=f"api_particulier_v{version.number}_cnous_etudiant_boursier_with_{name}",
            path=f"/v{version.number}/{resource}",
            modality=modality,
            summary="Statut étudiant boursier",
            scopes=version.scopes,
            fields=FIELDS,
            people=(People(at="identite", nom="nom"),),
            checks=checks,
            pivot=pivot,
            reasons=(NO_SCHOLARSHIP, SEVERAL, wrong),
            retirement=Retirement(deprecated_on=version.superseded_on, sunset_on=SUNSET, successor=latest)
            if version.superseded_on
            else None,
        )
        for version in VERSIONS
    )


IDENTITE = _every_version("civility", "identite", WRONG_IDENTITY, _PERSON, _CAMPAIGN)
INE = _every_version("ine", "ine", WRONG_INE, (Check("ine"),), _CAMPAIGN)
FRANCE_CONNECT = _every_version("france_connect", "france_connect", WRONG_IDENTITY, _CAMPAIGN, pivot=_PIVOT)


# Version 2

StatutLibelle: TypeAlias = Literal["définitif", "provisoire (conditionnel)"]
STATUTS: dict[bool | None, StatutLibelle] = {False: "définitif", True: "provisoire (conditionnel)"}
"""Labels that version 2 publishes for a final grant (`False`) and for a provisional one (`True`). A grant of unknown
status (`None`) has no label."""


class EtudiantBoursierV2(Struct, frozen=True, kw_only=True, rename="camel"):
    nom: str
    prenom: str | None
    prenom2: str | None
    date_naissance: str | None
    lieu_naissance: str | None
    sexe: Literal["M", "F"] | None
    email: str | None
    boursier: bool
    echelon_bourse: str | None
    statut: Annotated[int | None, Meta(description="0 : bourse définitive, au-delà : provisoire")]
    statut_libelle: StatutLibelle | None
    date_de_rentree: str | None
    duree_versement: int | float | None
    ville_etudes: str | None
    etablissement: str | None


def boursier_v2(dossier: Dossier) -> EtudiantBoursierV2:
    """Converts a student's scholarship to the data that version 2 of the API publishes."""
    prenom, prenom2, *_ = (*dossier.identite.prenoms, None, None)
    return EtudiantBoursierV2(
        nom=dossier.identite.nom,
        prenom=prenom,
        prenom2=prenom2,
        date_naissance=dossier.identite.date_naissance,
        lieu_naissance=dossier.identite.nom_commune_naissance,
        sexe=dossier.identite.sexe,
        email=dossier.email,
        boursier=dossier.est_boursier,
        echelon_bourse=dossier.echelon_bourse.echelon,
        statut=dossier.statut_bourse,
        statut_libelle=STATUTS.get(dossier.echelon_bourse.echelon_bourse_regionale_provisoire),
        date_de_rentree=dossier.periode_versement_bourse.date_rentree,
        duree_versement=dossier.periode_versement_bourse.duree,
        ville_etudes=dossier.etablissement_etudes.nom_commune,
        etablissement=dossier.etablissement_etudes.nom_etablissement,
    )


FIELDS_V2: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("nom", "prenom", "prenom2", "dateNaissance", "lieuNaissance", "sexe"), ("cnous_identite",)),
    "email": ("cnous_email",),
    "boursier": ("cnous_statut_boursier",),
    "echelonBourse": ("cnous_echelon_bourse",),
    "statut": ("cnous_statut_bourse",),
    "statutLibelle": ("cnous_statut_bourse",),
    "dateDeRentree": ("cnous_periode_versement",),
    "dureeVersement": ("cnous_periode_versement",),
    "villeEtudes": ("cnous_ville_etudes",),
    "etablissement": ("cnous_ville_etudes",),
}


def _v2(modality: Modality, wrong: str, *checks: Check, pivot: tuple[Check, ...] = ()) -> PublishedOperation[Dossier]:
    return PublishedOperation(
        v2_operation(
            "api_particulier_v2_cnous_student_scholarship",
            modality,
            becomes="/v5/cnous/etudiant_boursier",
            path="/api/v2/etudiants-boursiers",
            summary="Statut étudiant boursier",
            scopes=SCOPES,
            data=EtudiantBoursierV2,
            fields=FIELDS_V2,
            people=(People(nom="nom", prenoms="prenom", naissance=("dateNaissance",)),),
            checks=(checks,),
            pivot=pivot,
            reasons=(NO_SCHOLARSHIP, SEVERAL, wrong),
        ),
        boursier_v2,
        Dossier,
    )


IDENTITE_V2 = _v2(
    "identite",
    WRONG_IDENTITY,
    Check("nom", {"nom_naissance": "nom"}),
    Check("prenoms_in_one"),
    Check("date_in_one"),
    Check("sexe_free", {"sexe_etat_civil": "sexe"}),
    Check("commune_free", {"code_cog_insee_commune_naissance": "lieuDeNaissance"}),
)
INE_V2 = _v2("ine", WRONG_INE, Check("ine"))
FRANCE_CONNECT_V2 = _v2("france_connect", WRONG_IDENTITY, pivot=_PIVOT)

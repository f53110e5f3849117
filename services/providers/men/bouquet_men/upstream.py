"""What the ministry answers, and what it is asked (docs/reference/upstreams/men.md §2-5). Its names, in kebab case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from bouquet_worker import Identite, Parameter, Sexe

FAILURES = {500: "upstream_internal"}
"""By status; 404 is an answer, any other than 200 is `upstream_unknown` (docs/reference/upstreams/men.md §4)."""

SEXES = {"M": 1, "F": 2}
SEXES_TOLD: dict[int | None, Sexe] = {1: "M", 2: "F"}
"""Any other code tells no sex."""
SCOPE = "men_statut_scolarite,men_statut_boursier,men_echelon_bourse"
"""What the platform asks for, whoever its caller is: the gateway filters."""

PERIMETERS = {"codes_bcn_departements": "departement", "codes_bcn_regions": "region"}


class School(Struct, frozen=True, rename="kebab"):
    code_uai: str
    ministere_tutelle: str | None = None


class Pupil(Struct, frozen=True, rename="kebab"):
    nom: str
    prenom: str
    date_naissance: str
    etablissement: School
    annee_scolaire: str
    sexe: int | None = None


class Status(Struct, frozen=True):
    code: str
    libelle: str


class Schooling(Struct, frozen=True, rename="kebab"):
    statut_eleve: Status
    code_mef_stat: str | None = None
    libelle_long_mef: str | None = None
    """API Particulier reads `libelle-long_mef`, which nobody sends (docs/contract.md, C9)."""
    code_regime: str | None = None


class Scholarship(Struct, frozen=True, rename="kebab"):
    est_boursier: bool | None = None
    niveau_bourse: int | None = None


class File(Struct, frozen=True, rename="kebab"):
    identification: Pupil
    info_scolarite: Schooling
    info_bourse: Scholarship | None = None


class Absence(Struct, frozen=True):
    """Body of a 404: an unknown school or pupil, or one out of scope (docs/reference/upstreams/men.md §4)."""

    title: str
    status: Literal["NOT_FOUND", "FORBIDDEN"]


class Enrolment(Struct, frozen=True, rename="kebab"):
    est_scolarise: bool


class Enrolled(Struct, frozen=True, rename="kebab"):
    """Read before the rest: who is not enrolled has no status, and may have no school."""

    info_scolarite: Enrolment


def query_of(who: Identite, where: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The pupil's first first-name only, nothing transliterated; the school year as typed."""
    return {
        "nom": who.nom_naissance,
        "prenom": who.prenoms[0],
        "sexe": SEXES[who.sexe_etat_civil or ""],
        "date-naissance": who.date_naissance(),
        "annee-scolaire": where["annee_scolaire"],
        "scope": SCOPE,
    }


def perimeter_of(where: Mapping[str, Parameter]) -> dict[str, Parameter] | None:
    """`None` where the school itself is named."""
    for field, kind in PERIMETERS.items():
        if field in where:
            return {
                "degre-etablissement": where["degre_etablissement"],
                "type-perimetre": kind,
                "valeurs-perimetre": where[field],
            }
    return None

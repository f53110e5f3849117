"""Requests to the ministry of education's school API, and its answers (docs/reference/upstreams/men.md §2-5). Fields
have the names that the API gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from bouquet_worker import Identite, Parameter, Sexe

FAILURES = {500: "upstream_internal"}
"""Maps HTTP statuses of the ministry of education's answers to reasons of failure (docs/reference/upstreams/men.md
§4)."""

SEXES = {"M": 1, "F": 2}
SEXES_BY_CODE: dict[int | None, Sexe] = {1: "M", 2: "F"}
"""Maps the ministry of education's code to a person's sex. Other codes mean an unknown sex."""
SCOPE = "men_statut_scolarite,men_statut_boursier,men_echelon_bourse"
"""All scopes that the ministry of education defines, as the worker sends them with every request."""

PERIMETERS = {"codes_bcn_departements": "departement", "codes_bcn_regions": "region"}


class School(Struct, frozen=True, rename="kebab"):
    code_uai: str
    ministere_tutelle: str | None = None


class Pupil(Struct, frozen=True, rename="kebab"):
    """Identity, school and school year of a pupil, in the ministry's JSON."""

    nom: str
    prenom: str
    date_naissance: str
    etablissement: School
    annee_scolaire: str
    sexe: int | None = None


class Status(Struct, frozen=True):
    """Status of a pupil at school, in the ministry's JSON: code and label, such as `AP` and `APPRENTI`."""

    code: str
    libelle: str


class Schooling(Struct, frozen=True, rename="kebab"):
    statut_eleve: Status
    code_mef_stat: str | None = None
    libelle_long_mef: str | None = None
    """Label of the training, from the ministry's key `libelle-long-mef` (docs/contract.md, C9)."""
    # API Particulier reads `libelle-long_mef` instead, a key that the ministry never sends.
    code_regime: str | None = None


class Scholarship(Struct, frozen=True, rename="kebab"):
    est_boursier: bool | None = None
    niveau_bourse: int | None = None


class File(Struct, frozen=True, rename="kebab"):
    """Body of the ministry's answer about an enrolled pupil (status 200): identity, schooling and scholarship."""

    identification: Pupil
    info_scolarite: Schooling
    info_bourse: Scholarship | None = None


class Absence(Struct, frozen=True):
    """Body of a 404 from the ministry of education: it has no answer about this pupil or school
    (docs/reference/upstreams/men.md §4). A proxy's 404 has another body."""

    title: str
    status: Literal["NOT_FOUND", "FORBIDDEN"]


class Enrolment(Struct, frozen=True, rename="kebab"):
    """Value of the key `info-scolarite` in the ministry's answer, reduced to whether the pupil is enrolled."""

    est_scolarise: bool


class Enrolled(Struct, frozen=True, rename="kebab"):
    """Body of the ministry's answer about a known pupil (status 200), read only to see whether the pupil is
    enrolled."""

    info_scolarite: Enrolment


def query_of(who: Identite, where: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Returns the ministry's query parameters for a pupil and a school year. `where` holds the caller's parameters
    besides the identity, such as the school year."""
    # Only the first of several first names is sent; accents are kept, and the school year stays as the caller typed it.
    return {
        "nom": who.nom_naissance,
        "prenom": who.prenoms[0],
        "sexe": SEXES[who.sexe_etat_civil or ""],
        "date-naissance": who.date_naissance(),
        "annee-scolaire": where["annee_scolaire"],
        "scope": SCOPE,
    }


def perimeter_of(where: Mapping[str, Parameter]) -> dict[str, Parameter] | None:
    """Returns the ministry's parameters for a search in a region or a département. Returns `None` if the request names
    a school instead."""
    for field, kind in PERIMETERS.items():
        if field in where:
            return {
                "degre-etablissement": where["degre_etablissement"],
                "type-perimetre": kind,
                "valeurs-perimetre": where[field],
            }
    return None

"""Requests to the ministry of higher education's student API, and its answers (docs/reference/upstreams/mesr.md §1-3).
Fields have the names that the API gives them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from bouquet_mesr.contract import CodeRegime
from bouquet_worker import Caller, Identite

SEXES: dict[str | None, str] = {"M": "1", "F": "2"}
ENROLLED: dict[str | None, bool] = {"inscrit": True, "admis": False}
"""Maps the ministry's value of `statut` to `True` for an enrolled student, and `False` for one who is only admitted.
Any other value leaves the enrolment unknown."""

REGIMES: dict[str | None, CodeRegime] = {
    "formation initiale": "RF1",
    "formation initiale hors apprentissage": "RF2",
    "reprise d'études non financée sans convention": "RF3",
    "contrat d'apprentissage": "RF4",
    "formation continue": "RF5",
    "formation continue hors contrat professionnel": "RF6",
    "contrat de professionnalisation": "RF7",
}


class Search(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Body of a search for one student by civil status. Of several first names, only the first is sent (`prenom1`). An
    unknown sex or birth place is left out."""

    nom_famille: str
    prenom1: str
    date_naissance: str
    sexe: str = ""
    lieu_naissance: str = ""


class School(Struct, frozen=True, rename="camel"):
    uai: str | None = None
    nom_etablissement: str | None = None


class Enrolment(Struct, frozen=True, rename="camel"):
    date_debut_inscription: str | None = None
    date_fin_inscription: str | None = None
    statut: str | None = None
    regime: str | None = None
    code_commune: str | None = None
    etablissement: School | None = None


class Student(Struct, frozen=True, rename="camel"):
    """Student in the ministry's JSON: the body of an answer with status 200."""

    nom_famille: Annotated[str, Meta(min_length=1)]
    ine: str | None = None
    prenom: str | None = None
    date_naissance: str | None = None
    inscriptions: tuple[Enrolment, ...] | None = None


class Complaint(Struct, frozen=True):
    endpoint: str


class Refusal(Struct, frozen=True):
    """Body of an error answer of the ministry of higher education (status 400, 404 or 409). The worker uses none of the
    texts in the body, since they may contain the INE (student number)."""

    message: str
    uid: str
    details: Complaint


def search_for(who: Identite) -> Search:
    return Search(
        nom_famille=who.nom_naissance,
        prenom1=who.prenoms[0],
        date_naissance=who.date_naissance(),
        sexe=SEXES.get(who.sexe_etat_civil, ""),
        lieu_naissance=(who.commune_in_france() or "").strip(),
    )


def headers_of(caller: Caller) -> dict[str, str]:
    """Returns the header `X-Caller`, by which the ministry of higher education tells callers apart. The header contains
    the id of the caller's token."""
    return {"X-Caller": f"DINUM - {caller.token_id}"}

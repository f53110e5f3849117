"""Requests to Cnous's scholarship API, and the API's answers (docs/reference/upstreams/cnous.md §1-3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bouquet_worker import Identite, IsoDateOrBlank, Sexe

INE = "/v1/boursier/{ine}"
IDENTITE = "/v1/boursier/donnees-pivots"
FRANCE_CONNECT = "/v1/boursier/find"
"""Path of the search for a person by the identity that FranceConnect has confirmed. The request is a GET with a
body."""

FAILURES = {500: "upstream_internal"}
"""Reasons that the worker reports for failed calls, by the HTTP status with which Cnous answers
(docs/reference/upstreams/cnous.md §4)."""

SEXES: dict[str | None, Literal["M", "F"]] = {"M": "M", "F": "F"}
REMOVED: dict[str | None, bool] = {"O": True, "N": False}


class Search(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Body of a request to Cnous: a search for a student by civil status. Fields that are `None` are not sent."""

    last_name: str
    first_names: str
    birth_date: str
    birth_place: str | None = None
    civility: Sexe | None = None
    campaign_year: int | None = None


class Pivot(Struct, frozen=True, kw_only=True, rename={"campaign_year": "campaignYear"}, omit_defaults=True):
    """Search for a person by the claims (fields of identity) that FranceConnect has confirmed. `birthplace` is empty
    for a birth abroad."""

    # `gender` is `M` or `F`, not `male` or `female` as in FranceConnect, and is not sent if unknown.

    given_name: str
    family_name: str
    birthdate: str
    birthplace: str
    gender: Sexe | None = None
    campaign_year: int | None = None


class Place(Struct, frozen=True):
    libelle: str | None = None


class Scholarship(Struct, frozen=True, rename="camel"):
    last_name: Annotated[str, Meta(min_length=1)]
    boursier: bool
    ine: str | None = None
    first_name: str | None = None
    first_name2: str | None = None
    birth_date: IsoDateOrBlank | None = None
    birth_place: Place | None = None
    birth_place_libelle: str | None = None
    civility: str | None = None
    email: str | None = None
    grant_status: int | None = None
    grant_echelon: str | None = None
    study_town: str | None = None
    school_name: str | None = None
    back_to_school_date: IsoDateOrBlank | None = None
    payment_duration: int | float | None = None
    removed: str | None = None
    removal_date: IsoDateOrBlank | None = None


class Absence(Struct, frozen=True):
    """Body of a 404 that comes from Cnous itself: the person holds no scholarship."""

    description: str
    code: Literal[404]


class Refusal(Struct, frozen=True):
    """Body of a 400 that comes from Cnous itself: a parameter is wrong. The body does not name the parameter."""

    description: str
    code: Literal[400]


ABSENT: Any = Absence | tuple[Absence]
REFUSED: Any = Refusal | tuple[Refusal]
ANSWERED: Any = Scholarship | list[Scholarship]
"""Type of the body of an answer with status 200: one scholarship, or a list that should contain only one."""


def search_for(who: Identite, campaign_year: int | None) -> Search:
    return Search(
        last_name=who.nom_naissance,
        first_names=", ".join(who.prenoms),
        birth_date=birth_date(who),
        birth_place=who.commune_in_france(),
        civility=who.sexe_etat_civil,
        campaign_year=campaign_year,
    )


def pivot_of(who: Identite, campaign_year: int | None) -> Pivot:
    return Pivot(
        given_name=", ".join(who.prenoms),
        family_name=who.nom_naissance,
        birthdate=birth_date(who),
        birthplace=who.commune_in_france() or "",
        gender=who.sexe_etat_civil,
        campaign_year=campaign_year,
    )


def birth_date(who: Identite) -> str:
    return "/".join(reversed(who.date_naissance().split("-")))

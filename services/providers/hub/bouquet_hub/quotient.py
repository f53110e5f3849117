"""Requests to the social-security hub for the quotient familial, which the workers of CNAF and MSA send
(docs/reference/upstreams/quotient.md)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Struct

from bouquet_hub.answers import BAD_REQUESTS, FUND_HEADER, NO_FILE_BY_FUND, fund_of, refusal_of
from bouquet_hub.request import headers_of, query_of
from bouquet_proto import quotient_familial as contract
from bouquet_proto.quotient_familial import (
    PERIOD_REFUSED,
    QUOTIENT_MISSING,
    V2,
    V3,
    Fournisseur,
    QuotientFamilial,
)
from bouquet_worker import (
    Answer,
    Failed,
    Identite,
    NotFound,
    Operation,
    PublishedOperation,
    Question,
    Rejected,
    UpstreamClient,
    UpstreamError,
    none_if_blank,
)

Blank = Annotated[str, msgspec.Meta(pattern=r"^\s*\Z")]
SEXES: dict[str | None, Literal["F", "M"]] = {"F": "F", "M": "M"}
UNKNOWN_DATE = "0000-00-00"
BAD_REQUESTS_OF_A_MONTH = {**BAD_REQUESTS, 40029: PERIOD_REFUSED}
"""Reasons to report for the social-security hub's error codes when a month's quotient familial is requested. The code
40029 means that the hub has no data for the month."""


class Person(Struct, frozen=True, rename="camel"):
    """Person in the social-security hub's JSON. Any key may be absent."""

    nom_naissance: str | None = None
    nom_usage: str | None = None
    liste_prenoms: str | None = None
    date_naissance: str | None = None
    genre: str | None = None


class Address(Struct, frozen=True, rename="camel"):
    """Address in the social-security hub's JSON. Any key may be absent."""

    identite: str | None = None
    complement_information: str | None = None
    complement_information_geo: str | None = None
    numero_libelle_voie: str | None = None
    lieu_dit: str | None = None
    code_postal_ville: str | None = None
    pays: str | None = None


class File(Struct, frozen=True, rename="camel"):
    """Household's file in the hub's JSON: the body of an answer with status 200. Any key may be absent."""

    allocataires: tuple[Person, ...] | None = None
    enfants: tuple[Person, ...] | None = None
    adresse: Address | None = None
    quotient_familial: int | Blank | None = None
    annee: int | None = None
    mois: Annotated[int, msgspec.Meta(ge=1, le=12)] | None = None


PUBLISHED: tuple[Operation | PublishedOperation[QuotientFamilial], ...] = (
    *V3,
    *(PublishedOperation(one, contract.composition_familiale, QuotientFamilial) for one in V2),
)
"""Operations about the quotient familial, for the workers of CNAF and MSA. Version 3 publishes the handler's result
unchanged. In version 2, `composition_familiale` converts the result."""


class Month(NamedTuple):
    year: int
    month: int


async def quotient_familial(
    question: Question[Identite], hub: UpstreamClient
) -> QuotientFamilial | NotFound | Rejected | Failed:
    """Answers with a household's quotient familial for the requested month. Returns `NotFound` if no provider has a
    file about the person, and `Failed` if the file has no quotient. Returns `Rejected` if the social-security hub
    cannot identify the person or refuses the request."""
    month = requested_month(question)
    params = query_of(question.identity) | {"anneeDemandee": str(month.year), "moisDemande": f"{month.month:02d}"}
    answer = await hub.get(params=params, headers=headers_of(question))
    refusal = refusal_of(answer, question.identity, NO_FILE_BY_FUND, BAD_REQUESTS_OF_A_MONTH)
    return refusal or read(answer, month, question.today)


def requested_month(question: Question[Identite]) -> Month:
    """Returns the month whose quotient is requested. If the request lacks the year or the month, takes it from today's
    date (docs/reference/upstreams/quotient.md §1)."""
    year, month = question.parameters.get("annee"), question.parameters.get("mois")
    return Month(
        year if isinstance(year, int) else question.today.year,
        month if isinstance(month, int) else question.today.month,
    )


def read(answer: Answer, month: Month, today: date) -> QuotientFamilial | Failed:
    """Returns the household and its quotient familial for the requested `month`. Returns `Failed` if the answer has no
    quotient. Raises `UpstreamError` if the answer is malformed or does not come from CNAF or MSA."""
    # A quotient of 0 is valid; a blank one counts as missing. Without the header, no provider certifies the file.
    fund, file = fund_of(answer), answer.decode(File)
    if fund is None or fund == "RNCPS":
        raise UpstreamError("upstream_malformed", field=FUND_HEADER)
    if not isinstance(file.quotient_familial, int):
        return Failed(QUOTIENT_MISSING)
    computed = computation(file, fund, today)
    return QuotientFamilial(
        quotient_familial=contract.Valeur(
            fournisseur=fund,
            valeur=file.quotient_familial,
            annee=month.year,
            mois=month.month,
            annee_calcul=computed.year,
            mois_calcul=computed.month,
        ),
        allocataires=tuple(map(personne, file.allocataires or ())),
        enfants=tuple(map(personne, file.enfants or ())),
        adresse=adresse(file.adresse or Address()),
    )


def computation(file: File, fund: Fournisseur, today: date) -> Month:
    """Returns the month in which a household's quotient was computed (docs/reference/upstreams/quotient.md §2). CNAF
    gives the month in the file; MSA's month is the current month. Raises `UpstreamError` if a file from CNAF lacks the
    month."""
    # For the MSA this is always the current month, whatever the file says.
    if fund == "MSA":
        return Month(today.year, today.month)
    if file.annee is None or file.mois is None:
        raise UpstreamError("upstream_malformed", field="$.annee" if file.annee is None else "$.mois")
    return Month(file.annee, file.mois)


def personne(person: Person) -> contract.Personne:
    """Converts a person in the social-security hub's JSON into a person as published. An unknown birth date becomes
    `0000-00-00`."""
    born = none_if_blank(person.date_naissance) or UNKNOWN_DATE
    return contract.Personne(
        nom_naissance=none_if_blank(person.nom_naissance),
        nom_usage=none_if_blank(person.nom_usage),
        prenoms=none_if_blank(person.liste_prenoms),
        date_naissance=born,
        sexe=SEXES.get(person.genre),
        **contract.birth_parts(born),
    )


def adresse(address: Address) -> contract.Adresse:
    return contract.Adresse(
        destinataire=none_if_blank(address.identite),
        complement_information=none_if_blank(address.complement_information),
        complement_information_geographique=none_if_blank(address.complement_information_geo),
        numero_libelle_voie=none_if_blank(address.numero_libelle_voie),
        lieu_dit=none_if_blank(address.lieu_dit),
        code_postal_ville=none_if_blank(address.code_postal_ville),
        pays=none_if_blank(address.pays),
    )

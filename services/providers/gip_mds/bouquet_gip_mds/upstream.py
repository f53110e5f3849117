"""Requests to the GIP-MDS's API of contracts, and the API's answers (docs/reference/upstreams/gip_mds.md §1-3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, Struct

from bouquet_worker import Answer, Identite, IsoDateOrBlank, none_if_blank

CONTRACTS = "/contrats-generique"
TOKEN = "/token"
"""Path of the token endpoint, below the URL of the GIP-MDS's API."""
CIVIC_SERVICE = "89"
"""Value of `nature_contrat` that means civic service, as in employers' social declarations (DSN)."""
NOT_ENDED = ("99", "100")
"""Values of `motif_rupture` of contracts that count as not ended, whatever their end date. `99` means "not broken",
`100` means "end not declared"."""


class Contract(Struct, frozen=True, rename="camel"):
    date_debut_contrat: IsoDateOrBlank | None = None
    date_fin_contrat: IsoDateOrBlank | None = None
    date_fin_previsionnelle: IsoDateOrBlank | None = None
    motif_rupture: str | None = None
    nature_contrat: str | None = None
    """Code of the kind of contract, such as `89` for civic service. `None` if the answer leaves it out."""
    # Every request asks for contracts of one kind only.

    @property
    def is_current(self) -> bool:
        return none_if_blank(self.date_fin_contrat) is None or self.motif_rupture in NOT_ENDED

    @property
    def last_day(self) -> str | None:
        """Day on which the contract ends: the declared end or, if none is declared, the planned end. `None` if both are
        unknown."""
        return none_if_blank(self.date_fin_contrat) or self.date_fin_previsionnelle


class Establishment(Struct, frozen=True):
    contrat: tuple[Contract, ...]
    siret: str | None = None


class Employer(Struct, frozen=True, rename="camel"):
    etablissement: tuple[Establishment, ...]
    raison_sociale: str | None = None


class Person(Struct, frozen=True):
    entreprise: tuple[Employer, ...]


class File(Struct, frozen=True):
    """Body of an answer with status 200: a person with employers, establishments and contracts."""

    individu: Person


class Engagement(Struct, frozen=True):
    """Contract of civic service, with the employer and the establishment that host the volunteer."""

    employer: Employer
    establishment: Establishment
    contract: Contract


class Error(Struct, frozen=True):
    code: str


class Errors(Struct, frozen=True):
    """Body of an answer with an error status that comes from the GIP-MDS itself, not from a proxy."""

    erreurs: Annotated[tuple[Error, ...], Meta(min_length=1)]


def error_of(answer: Answer) -> str:
    """Returns the code of the first error in an answer's body; "" if the body holds no errors of the GIP-MDS."""
    return answer.decode(Errors).erreurs[0].code if answer.matches(Errors) else ""


def current_and_past(person: Person) -> tuple[Engagement | None, Engagement | None]:
    """Returns a person's current and past contract of civic service, with `None` for a missing contract. Of several
    contracts, chooses the current contract that began last, and the past contract that ended last."""
    every = tuple(_engagements(person))
    current = (one for one in every if one.contract.is_current)
    past = (one for one in every if not one.contract.is_current)
    return (
        max(current, key=lambda one: one.contract.date_debut_contrat or "", default=None),
        max(past, key=lambda one: one.contract.date_fin_contrat or "", default=None),
    )


def _engagements(person: Person) -> Iterator[Engagement]:
    for employer in person.entreprise:
        for establishment in employer.etablissement:
            for contract in establishment.contrat:
                if contract.nature_contrat in (None, CIVIC_SERVICE):
                    yield Engagement(employer, establishment, contract)


def query_of(who: Identite) -> dict[str, str]:
    """Returns the query parameters of a request for a person's contracts of civic service. The birth name is in
    capitals, and the birth date has the form `DDMMYYYY`. Only the first of several first names is sent."""
    return {
        "nom": who.nom_naissance.upper(),
        "prenom": who.prenoms[0],
        "dateNaissance": "".join(reversed(who.date_naissance().split("-"))),
        "listeCodeNature": CIVIC_SERVICE,
        "comparaisonCertifiee": "1",
    }

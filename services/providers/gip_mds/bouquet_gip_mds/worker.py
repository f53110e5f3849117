"""The worker of the GIP-MDS, which collects employers' social declarations: contracts of civic service of a person.
Owner: team-gip-mds. Upstream: the GIP-MDS's API of contracts (docs/reference/upstreams/gip_mds.md)."""

from __future__ import annotations

from bouquet_gip_mds import contract
from bouquet_gip_mds.contract import FRANCE_CONNECT, IDENTITE, SEVERAL, UNKNOWN_PERSON, ServiceCivique
from bouquet_gip_mds.upstream import (
    CONTRACTS,
    TOKEN,
    Engagement,
    File,
    Person,
    current_and_past,
    error_of,
    query_of,
)
from bouquet_worker import (
    Answer,
    Authority,
    ClientCredentials,
    Identite,
    NotFound,
    Question,
    Rejected,
    Secret,
    Upstream,
    UpstreamClient,
    Worker,
    WorkerSettings,
    day_or_none,
    none_if_blank,
)


class Settings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of the GIP-MDS's worker, from the environment variables `BOUQUET_GIP_MDS_*`."""

    base_url: str
    """Base URL of the GIP-MDS's API: the part before `/contrats-generique` and `/token`."""
    client_id: str
    """OAuth 2.0 client id of the worker, given by the GIP-MDS."""
    client_secret: Secret
    """OAuth 2.0 client secret of the worker, given by the GIP-MDS."""


worker = Worker(
    "gip_mds", Settings, owner="team-gip-mds", authority=Authority("GIP-MDS", "31"), problems=contract.PROBLEMS
)


@worker.upstream
def gip_mds(settings: Settings) -> Upstream:
    """Declares the GIP-MDS's API of contracts as an upstream."""
    token_url = settings.base_url.rstrip("/") + TOKEN
    return Upstream(
        "gip_mds",
        settings.base_url,
        auth=ClientCredentials(token_url, settings.client_id, settings.client_secret, style="body"),
        headers={"Content-Type": "application/json"},  # on a GET too (docs/reference/upstreams/gip_mds.md §1)
    )


@worker.answers(IDENTITE, FRANCE_CONNECT)
async def service_civique(
    question: Question[Identite], gip_mds: UpstreamClient
) -> ServiceCivique | NotFound | Rejected:
    """Answers with a person's current and past contract of civic service. Returns `NotFound` for a person whom the
    GIP-MDS does not know, and `Rejected` if several people have this civil status."""
    return read(await gip_mds.get(CONTRACTS, params=query_of(question.identity)))


def read(answer: Answer) -> ServiceCivique | NotFound | Rejected:
    """Returns the current and the past contract in an answer of the GIP-MDS, with `NO_CONTRACT` for a missing contract.
    Returns `NotFound` for an unknown person, and `Rejected` if several people have this civil status. Raises
    `UpstreamError` for any other answer."""
    match answer.status, error_of(answer):
        case 200, _:
            return to_contract(answer.decode(File).individu)
        case 404, "NOT_FOUND_CONTRAT":
            return to_contract(Person(()))
        case 404, "NOT_FOUND_INDIVIDU":
            return NotFound(UNKNOWN_PERSON)
        case 413, "TOO_MANY_INDIVIDU":
            return Rejected(SEVERAL)
        case _:
            raise answer.unexpected()


def to_contract(person: Person) -> ServiceCivique:
    """Returns a person's current and past contract as published, with `NO_CONTRACT` for a missing contract."""
    # Of several contracts, the current contract that began last and the past contract that ended last are chosen.
    current, past = current_and_past(person)
    return ServiceCivique(statut_actuel=block(current), statut_passe=block(past))


def block(engagement: Engagement | None) -> contract.Contrat:
    if engagement is None:
        return contract.NO_CONTRACT
    return contract.Contrat(
        contrat_trouve=True,
        organisme_accueil=contract.OrganismeAccueil(
            siret=none_if_blank(engagement.establishment.siret),
            raison_sociale=none_if_blank(engagement.employer.raison_sociale),
        ),
        date_debut_contrat=day_or_none(engagement.contract.date_debut_contrat),
        date_fin_contrat=day_or_none(engagement.contract.last_day),
    )

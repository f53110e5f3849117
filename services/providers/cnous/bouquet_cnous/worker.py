"""The worker of Cnous: it answers whether a student has a scholarship, and which. Owner: team-cnous.
Upstream: Cnous's scholarship API (docs/reference/upstreams/cnous.md)."""

from __future__ import annotations

from bouquet_cnous import contract, upstream
from bouquet_cnous.contract import NO_SCHOLARSHIP, SEVERAL, WRONG_IDENTITY, WRONG_INE, Dossier
from bouquet_cnous.mapping import to_contract
from bouquet_cnous.upstream import ABSENT, ANSWERED, REFUSED, Scholarship, pivot_of, search_for
from bouquet_cog.birthplace import with_commune_code
from bouquet_cog.communes import Communes
from bouquet_worker import (
    Answer,
    Authority,
    ClientCredentials,
    ClientCredentialsSettings,
    Identite,
    Ine,
    NotFound,
    Question,
    Rejected,
    Upstream,
    UpstreamClient,
    UpstreamError,
    Worker,
)


class Settings(ClientCredentialsSettings, frozen=True, kw_only=True):
    """Settings of Cnous's worker, from the environment variables `BOUQUET_CNOUS_*`."""

    base_url: str
    """Base URL of Cnous's API: the part before `/v1/boursier`."""


worker = Worker("cnous", Settings, owner="team-cnous", authority=Authority("CNOUS", "26"), problems=contract.PROBLEMS)


@worker.upstream
def cnous(settings: Settings) -> Upstream:
    """Declares Cnous's scholarship API as an upstream."""
    return Upstream(
        "cnous",
        settings.base_url,
        auth=ClientCredentials(settings.token_url, settings.client_id, settings.client_secret, form=None),
        failures=upstream.FAILURES,
    )


@worker.answers(*contract.INE, contract.INE_V2)
async def by_ine(question: Question[Ine], cnous: UpstreamClient) -> Dossier | NotFound | Rejected:
    """Answers with the scholarship of the student with this INE (national student number); `NotFound` if there is none.
    Returns `Rejected` if Cnous refuses the INE, or knows several scholarships."""
    path, params = {"ine": question.identity.ine.upper()}, {"campaignYear": campaign_year(question)}
    return read(await cnous.get(upstream.INE, path=path, params=params), wrong=WRONG_INE)


@worker.answers(*contract.IDENTITE, contract.IDENTITE_V2)
async def by_identity(question: Question[Identite], cnous: UpstreamClient) -> Dossier | NotFound | Rejected:
    """Answers with the scholarship of the student with this civil status; `NotFound` if there is none. Returns
    `Rejected` if no single commune fits the birth place, if Cnous refuses the identity, or for several scholarships."""
    who = await with_commune_code(question.identity, Communes.packaged())
    if isinstance(who, Rejected):
        return who
    search = search_for(who, campaign_year(question))
    return read(await cnous.post(upstream.IDENTITE, json=search, idempotent=True), wrong=WRONG_IDENTITY)


@worker.answers(*contract.FRANCE_CONNECT, contract.FRANCE_CONNECT_V2)
async def by_france_connect(question: Question[Identite], cnous: UpstreamClient) -> Dossier | NotFound | Rejected:
    """Answers with the scholarship of the student who logged in with FranceConnect; `NotFound` if there is none.
    Returns `Rejected` if Cnous refuses the identity, or knows several scholarships."""
    pivot = pivot_of(question.identity, campaign_year(question))
    return read(await cnous.get(upstream.FRANCE_CONNECT, json=pivot), wrong=WRONG_IDENTITY)


def campaign_year(question: Question[Ine] | Question[Identite]) -> int | None:
    """Returns the year in which the requested campaign of scholarships begins; `None` for the latest campaign."""
    year = question.parameters.get("campaign_year")
    return year if isinstance(year, int) else None


def read(answer: Answer, *, wrong: str) -> Dossier | NotFound | Rejected:
    """Returns the scholarship in Cnous's answer; `NotFound` if there is none, and `Rejected` if there are several. If
    Cnous refuses the parameters, returns `Rejected` with the reason `wrong`. Raises `UpstreamError` for any other
    answer."""
    match answer.status:
        case 200:
            return only_one(answer.decode(ANSWERED))
        case 400 if answer.matches(REFUSED):
            return Rejected(wrong)
        case 404 if answer.matches(ABSENT):
            return NotFound(NO_SCHOLARSHIP)
        case _:
            raise answer.unexpected()


def only_one(body: Scholarship | list[Scholarship]) -> Dossier | Rejected:
    """Returns the scholarship in an answer's body, or `Rejected` if the body contains several. Raises `UpstreamError`
    for an empty array."""
    # Cnous answers 404 if there is no scholarship.
    match body:
        case Scholarship() as scholarship:
            return to_contract(scholarship)
        case [scholarship]:
            return to_contract(scholarship)
        case []:  # Cnous answers 404 where there is none
            raise UpstreamError("upstream_malformed", field="$", cause="empty array")
        case _:
            return Rejected(SEVERAL)

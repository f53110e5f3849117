"""The worker of the Sport Data Hub (SDH): sporting status of an athlete. Owner: team-sdh. Upstream: the sports
ministry's Sport Data Hub (docs/reference/upstreams/sdh.md)."""

from __future__ import annotations

from datetime import date

from bouquet_sdh import contract
from bouquet_sdh.contract import STATUT_SPORTIF, UNKNOWN_ATHLETE, StatutSportif
from bouquet_sdh.mapping import to_contract
from bouquet_sdh.upstream import ATHLETE, Absence, Athlete
from bouquet_worker import (
    Answer,
    Authority,
    ClientCredentials,
    ClientCredentialsSettings,
    Identifiant,
    NotFound,
    Question,
    Upstream,
    UpstreamClient,
    Worker,
)


class Settings(ClientCredentialsSettings, frozen=True, kw_only=True):
    """Settings of the Sport Data Hub's worker, from the environment variables `BOUQUET_SDH_*`."""

    url: str
    """URL of the Sport Data Hub. The worker appends a slash and the athlete's number."""


worker = Worker("sdh", Settings, owner="team-sdh", authority=Authority("SDH", "41"), problems=contract.PROBLEMS)


@worker.upstream
def sdh(settings: Settings) -> Upstream:
    """Declares the Sport Data Hub as an upstream."""
    return Upstream(
        "sdh",
        settings.url,
        auth=ClientCredentials(settings.token_url, settings.client_id, settings.client_secret, style="body"),
    )


@worker.answers(STATUT_SPORTIF)
async def statut_sportif(question: Question[Identifiant], sdh: UpstreamClient) -> StatutSportif | NotFound:
    """Answers with the sporting status of the athlete with this number; `NotFound` if the number is unknown."""
    return read(await sdh.get(ATHLETE, path={"identifiant": question.identity.identifiant}), question.today)


def read(answer: Answer, today: date) -> StatutSportif | NotFound:
    """Returns the athlete's sporting status in an answer, or `NotFound` for an unknown athlete. Raises `UpstreamError`
    for any other answer, such as a proxy's 404 page in HTML."""
    match answer.status:
        case 200:
            return to_contract(answer.decode(Athlete), today)
        case 404 if not answer.body or answer.matches(Absence):
            return NotFound(UNKNOWN_ATHLETE)
        case _:
            raise answer.unexpected()

"""The worker of the DSNJ, the directorate of national service and youth: status of a young person with regard to
national service. Owner: team-dsnj. Upstream: the DSNJ's API of national service (docs/reference/upstreams/dsnj.md)."""

from __future__ import annotations

from bouquet_dsnj import contract
from bouquet_dsnj.contract import FRANCE_CONNECT, IDENTITE, UNKNOWN_PERSON, ServiceNational
from bouquet_dsnj.upstream import STATUSES, Found, Results, Unknown, search_for
from bouquet_worker import (
    Answer,
    Authority,
    Bearer,
    Identite,
    NotFound,
    Question,
    Secret,
    Upstream,
    UpstreamClient,
    Worker,
    WorkerSettings,
    none_if_blank,
)


class Settings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of the DSNJ's worker, from the environment variables `BOUQUET_DSNJ_*`."""

    url: str
    """URL of the DSNJ's API about national service."""
    token: Secret
    """Bearer token of every call, given by the DSNJ. The token does not expire by itself."""
    user_agent: str = "curl/8.15.0"
    """Header `User-Agent` of every call. The DSNJ's firewall drops calls with an empty header or an unknown program."""


worker = Worker("dsnj", Settings, owner="team-dsnj", authority=Authority("DSNJ", "39"), problems=contract.PROBLEMS)


@worker.upstream
def dsnj(settings: Settings) -> Upstream:
    """Declares the DSNJ's API of national service as an upstream."""
    return Upstream(
        "dsnj",
        settings.url,
        auth=Bearer(settings.token),
        headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": settings.user_agent},
    )


@worker.answers(IDENTITE, FRANCE_CONNECT)
async def service_national(question: Question[Identite], dsnj: UpstreamClient) -> ServiceNational | NotFound:
    """Answers with a young person's status with regard to national service; `NotFound` if the DSNJ does not know the
    person."""
    return read(await dsnj.post(json=search_for(question.identity), idempotent=True))


def read(answer: Answer) -> ServiceNational | NotFound:
    """Returns the status in an answer of the DSNJ, or `NotFound` for an unknown person. Raises `UpstreamError` for any
    other answer, such as an answer about several people."""
    if answer.status != 200:
        raise answer.unexpected()
    [result] = answer.decode(Results).results
    match result:
        case Found(en_regle=label, complement=comment):
            return ServiceNational(statut_service_national=STATUSES.get(label), commentaires=none_if_blank(comment))
        case Unknown():
            return NotFound(UNKNOWN_PERSON)

"""The worker of the ministry of higher education (MESR): admissions and enrolments of a student this year. Owner:
team-mesr. Upstream: the ministry's student API (docs/reference/upstreams/mesr.md). Lookups by INE (student number) and
lookups by civil status have an API key each."""

from __future__ import annotations

from collections.abc import Mapping

from bouquet_cog.birthplace import with_commune_code
from bouquet_cog.communes import Communes
from bouquet_mesr import contract
from bouquet_mesr.contract import (
    FRANCE_CONNECT,
    FRANCE_CONNECT_V2,
    IDENTITE,
    IDENTITE_V2,
    INE,
    INE_V2,
    SEVERAL,
    UNKNOWN_STUDENT,
    WRONG_IDENTITY,
    WRONG_INE,
    Etudiant,
)
from bouquet_mesr.mapping import to_contract
from bouquet_mesr.upstream import Refusal, Student, headers_of, search_for
from bouquet_worker import (
    Answer,
    ApiKey,
    Authority,
    Identite,
    Ine,
    NotFound,
    Question,
    Rejected,
    Secret,
    Upstream,
    UpstreamClient,
    Worker,
    WorkerSettings,
)


class Settings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of the worker of the ministry of higher education (MESR), from the environment variables
    `BOUQUET_MESR_*`."""

    url: str
    """URL of the ministry of higher education's student API."""
    ine_key: Secret
    """API key for lookups by INE (student number), given by the ministry of higher education."""
    identite_key: Secret
    """API key for lookups by civil status, given by the ministry of higher education."""


REFUSALS_OF_INE = {400: WRONG_INE}
REFUSALS_OF_PERSON = {400: WRONG_IDENTITY, 409: SEVERAL}
"""Maps the HTTP status of a refused search by civil status to the reason that the worker gives in `Rejected`."""
# It applies only if the body is the ministry's own error.

worker = Worker("mesr", Settings, owner="team-mesr", authority=Authority("MESRI", "25"), problems=contract.PROBLEMS)


@worker.upstream
def by_ine(settings: Settings) -> Upstream:
    """Declares the ministry's student API as an upstream, with the API key for lookups by INE (student number)."""
    return Upstream("mesr ine", settings.url, auth=ApiKey("X-API-Key", settings.ine_key))


@worker.upstream
def by_identity(settings: Settings) -> Upstream:
    """Declares the ministry's student API as an upstream, with the API key for lookups by civil status."""
    return Upstream("mesr identite", settings.url, auth=ApiKey("X-API-Key", settings.identite_key))


@worker.answers(INE, INE_V2)
async def statut_of_ine(question: Question[Ine], by_ine: UpstreamClient) -> Etudiant | NotFound | Rejected:
    """Answers with the admissions and enrolments of the student with this INE (student number). Returns `NotFound` for
    an unknown student, and `Rejected` for an INE that the ministry refuses as malformed."""
    params = {"INE": question.identity.ine.upper()}
    return read(await by_ine.get(params=params, headers=headers_of(question.caller)), REFUSALS_OF_INE)


@worker.answers(IDENTITE, FRANCE_CONNECT, IDENTITE_V2, FRANCE_CONNECT_V2)
async def statut_of_person(question: Question[Identite], by_identity: UpstreamClient) -> Etudiant | NotFound | Rejected:
    """Answers with the admissions and enrolments of the student with this civil status. Returns `NotFound` for an
    unknown student. Returns `Rejected` if several students fit, or if the name of the commune of birth fits no commune
    or several."""
    who = await with_commune_code(question.identity, Communes.packaged())
    if isinstance(who, Rejected):
        return who
    answer = await by_identity.post(json=search_for(who), headers=headers_of(question.caller), idempotent=True)
    return read(answer, REFUSALS_OF_PERSON)


def read(answer: Answer, refusals: Mapping[int, str]) -> Etudiant | NotFound | Rejected:
    """Returns the student in the ministry's answer, or `NotFound` for an unknown student. If `refusals` maps the
    answer's HTTP status to a reason, returns `Rejected` with this reason. Raises `UpstreamError` for any other
    answer."""
    match answer.status:
        case 200:
            return to_contract(answer.decode(Student))
        case 404 if answer.matches(Refusal):
            return NotFound(UNKNOWN_STUDENT)
        case status if status in refusals and answer.matches(Refusal):
            return Rejected(refusals[status])
        case _:
            raise answer.unexpected()

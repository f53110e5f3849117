"""The worker of ACME: files, by their number.  Owner: team-acme.

Upstream: the files API, version 1.
"""

from __future__ import annotations

from bouquet_worker import (
    Answer,
    ApiKey,
    Authority,
    Identifiant,
    NotFound,
    Question,
    Secret,
    Upstream,
    UpstreamClient,
    UpstreamError,
    Worker,
    WorkerSettings,
    day_of,
    none_if_blank,
)

from bouquet_acme.contract import DOSSIER, NO_FILE, PROBLEMS, Dossier, Titulaire
from bouquet_acme.upstream import FAILURES, STATUTS, File, NoSuchFile


class Settings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of the worker, from `BOUQUET_ACME_*`."""

    url: str
    """Base URL of ACME's API, which holds the files (dossiers)."""
    key: Secret
    """Key that ACME gave for its API."""


worker = Worker(
    "acme",
    Settings,
    owner="team-acme",
    authority=Authority("ACME", "90"),
    problems=PROBLEMS,
)


@worker.upstream
def files(settings: Settings) -> Upstream:
    """Declares ACME's API as an upstream of the worker."""
    return Upstream("files", settings.url, auth=ApiKey("X-Api-Key", settings.key), failures=FAILURES)


@worker.answers(DOSSIER)
async def dossier(question: Question[Identifiant], files: UpstreamClient) -> Dossier | NotFound:
    """Answers with the file (dossier) of this number."""
    return read(await files.get("/files", params={"number": question.identity.identifiant}))


def read(answer: Answer) -> Dossier | NotFound:
    """Converts the upstream's answer to the handler's result. Raises `UpstreamError` for an answer that is not
    documented."""
    match answer.status:
        case 200:
            return to_contract(answer.decode(File))
        case 404 if answer.matches(NoSuchFile):
            return NotFound(NO_FILE)
        case _:
            raise answer.unexpected()


def to_contract(file: File) -> Dossier:
    """Converts a file to the published resource. Raises `UpstreamError` for an unknown `state`."""
    if file.state not in STATUTS:
        raise UpstreamError("upstream_malformed", field="$.state")
    return Dossier(
        statut=STATUTS[file.state],
        date_ouverture=day_of(file.opened_at),
        titulaire=Titulaire(
            nom=file.holder.last_name,
            prenom=none_if_blank(file.holder.first_name),
        ),
    )

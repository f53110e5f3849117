"""The worker of the ministry of education (MEN): schooling and scholarship of a pupil. Owner: team-men. Upstream: the
ministry's school API, version 2 (docs/reference/upstreams/men.md)."""

from __future__ import annotations

from bouquet_men import contract
from bouquet_men.contract import NOT_ENROLLED, UNKNOWN_PUPIL, V2, V3, V4, V5, ScolariteEtRegime
from bouquet_men.upstream import FAILURES, SEXES_BY_CODE, Absence, Enrolled, File, Scholarship, perimeter_of, query_of
from bouquet_worker import (
    Answer,
    Authority,
    ClientCredentials,
    ClientCredentialsSettings,
    Identite,
    NotFound,
    Question,
    Upstream,
    UpstreamClient,
    Worker,
)


class Settings(ClientCredentialsSettings, frozen=True, kw_only=True):
    """Settings of the worker of the ministry of education (MEN), from the environment variables `BOUQUET_MEN_*`."""

    url: str
    """URL of the ministry of education's search by school. The search by département or region is at the path
    `/perimetre` below this URL."""


worker = Worker("men", Settings, owner="team-men", authority=Authority("MEN", "30"), problems=contract.PROBLEMS)


@worker.upstream
def men(settings: Settings) -> Upstream:
    """Declares the ministry of education's school API as an upstream."""
    return Upstream(
        "men",
        settings.url,
        auth=ClientCredentials(settings.token_url, settings.client_id, settings.client_secret, style="body"),
        headers={"Content-Type": "application/json"},  # on a GET too (docs/reference/upstreams/men.md §1)
        failures=FAILURES,
    )


@worker.answers(V3, V4, V5, V2)
async def scolarites(question: Question[Identite], men: UpstreamClient) -> ScolariteEtRegime | NotFound:
    """Answers with a pupil's schooling. Returns `NotFound` for a pupil who is unknown or not enrolled."""
    query = query_of(question.identity, question.parameters)
    headers = {"X-Siret-Partenaire": question.caller.recipient}
    if perimeter := perimeter_of(question.parameters):
        answer = await men.post("/perimetre", json=query | perimeter, headers=headers, idempotent=True)
    else:
        school = {"code-uai": question.parameters["code_etablissement"]}
        answer = await men.get(params=query | school, headers=headers)
    return read(answer)


def read(answer: Answer) -> ScolariteEtRegime | NotFound:
    """Returns the schooling in the ministry's answer, or `NotFound` for a pupil who is unknown or not enrolled. Raises
    `UpstreamError` for any other answer."""
    # The answer's content type may be `text/plain` (docs/reference/upstreams/men.md §3).
    match answer.status:
        case 200 if answer.decode(Enrolled).info_scolarite.est_scolarise:
            return to_contract(answer.decode(File))
        case 200:
            return NotFound(NOT_ENROLLED)
        case 404 if answer.matches(Absence):
            return NotFound(UNKNOWN_PUPIL)
        case _:
            raise answer.unexpected()


def to_contract(file: File) -> ScolariteEtRegime:
    """Converts the ministry's data about an enrolled pupil into the result of the worker's handlers. Missing data about
    a scholarship become `None`."""
    pupil, schooling = file.identification, file.info_scolarite
    scholarship = file.info_bourse or Scholarship()
    return ScolariteEtRegime(
        identite=contract.Identite(
            nom=pupil.nom, prenom=pupil.prenom, sexe=SEXES_BY_CODE.get(pupil.sexe), date_naissance=pupil.date_naissance
        ),
        annee_scolaire=pupil.annee_scolaire,
        est_scolarise=True,
        statut_eleve=contract.StatutEleve(code=schooling.statut_eleve.code, libelle=schooling.statut_eleve.libelle),
        module_elementaire_formation=contract.ModuleElementaireFormation(
            code_mef_stat=schooling.code_mef_stat, libelle=schooling.libelle_long_mef
        ),
        etablissement=contract.Etablissement(
            code_uai=pupil.etablissement.code_uai, code_ministere_tutelle=pupil.etablissement.ministere_tutelle
        ),
        est_boursier=scholarship.est_boursier,
        echelon_bourse=scholarship.niveau_bourse,
        regime_pensionnat=regime(schooling.code_regime),
    )


def regime(code: str | None) -> contract.RegimePensionnat | None:
    """Returns the published code and label for the ministry's code of a boarding regime. Returns `None` without a code.
    An unknown code gets no label."""
    return contract.RegimePensionnat(code=code, libelle=contract.REGIMES.get(code)) if code else None

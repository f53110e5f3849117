"""The worker of France Travail, the employment agency: status and payments of a jobseeker. Owner: team-france-travail.
Upstreams: two APIs of France Travail, called with one OAuth 2.0 client (docs/reference/upstreams/france_travail.md)."""

from __future__ import annotations

from bouquet_france_travail import contract
from bouquet_france_travail.contract import INDEMNITES, INDEMNITES_V2, NO_PAYMENT, NO_SITUATION, STATUT, STATUT_V2
from bouquet_france_travail.mapping import paiement, to_statut
from bouquet_france_travail.upstream import SCOPES, UNPAID, UNREGISTERED, Jobseeker, Payments, has_data, headers_of
from bouquet_worker import (
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
    """Settings of France Travail's worker, from the environment variables `BOUQUET_FRANCE_TRAVAIL_*`."""

    statut_url: str
    """URL of France Travail's API that answers with a jobseeker's status."""
    indemnites_url: str
    """URL of France Travail's API that answers with a jobseeker's payments."""


worker = Worker(
    "france_travail",
    Settings,
    owner="team-france-travail",
    authority=Authority("France Travail", "24"),
    problems=contract.PROBLEMS,
)


@worker.upstream
def statut_api(settings: Settings) -> Upstream:
    """Declares France Travail's API of jobseekers' status as an upstream."""
    return _api("france_travail statut", settings.statut_url, settings)


@worker.upstream
def indemnites_api(settings: Settings) -> Upstream:
    """Declares France Travail's API of jobseekers' payments as an upstream."""
    return _api("france_travail indemnites", settings.indemnites_url, settings)


def _api(name: str, url: str, settings: Settings) -> Upstream:
    """Declares one of France Travail's two APIs as an upstream, with a circuit breaker and an OAuth 2.0 token of its
    own."""
    return Upstream(
        name,
        url,
        auth=ClientCredentials(
            settings.token_url,
            settings.client_id,
            settings.client_secret,
            style="body",
            form={"scope": SCOPES.format(client_id=settings.client_id)},
        ),
        # Required on a GET and for a bare text too (docs/reference/upstreams/france_travail.md §1).
        headers={"Content-Type": "application/json"},
    )


@worker.answers(STATUT, STATUT_V2)
async def statut(question: Question[Identifiant], statut_api: UpstreamClient) -> contract.Statut | NotFound:
    """Answers with a jobseeker's status, or `NotFound` for a person who is unknown or not registered."""
    # The body sent to France Travail is the bare identifier, without the quotes of JSON.
    answer = await statut_api.post(
        data=question.identity.identifiant, headers=headers_of(question.caller), idempotent=True
    )
    if has_data(answer, UNREGISTERED):
        return to_statut(question.identity.identifiant, answer.decode(Jobseeker))
    return NotFound(NO_SITUATION)


@worker.answers(INDEMNITES, INDEMNITES_V2)
async def indemnites(question: Question[Identifiant], indemnites_api: UpstreamClient) -> contract.Indemnites | NotFound:
    """Answers with a jobseeker's payments, or `NotFound` for a person who is unknown or has no payments
    (docs/reference/upstreams/france_travail.md §4)."""
    identifiant = question.identity.identifiant
    answer = await indemnites_api.get(params={"loginMnemotechnique": identifiant}, headers=headers_of(question.caller))
    if has_data(answer, UNPAID) and (payments := answer.decode(Payments).liste_paiement):
        return contract.Indemnites(identifiant=identifiant, paiements=tuple(map(paiement, payments)))
    return NotFound(NO_PAYMENT)

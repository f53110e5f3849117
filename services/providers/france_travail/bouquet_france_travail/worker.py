"""The worker of France Travail: status and payments of a jobseeker. Owner: team-france-travail. Upstreams: two APIs of
France Travail, both called with the same OAuth 2.0 client (docs/reference/upstreams/france_travail.md)."""

from __future__ import annotations

from bouquet_france_travail import contract
from bouquet_france_travail.contract import INDEMNITES, INDEMNITES_V2, NO_PAYMENT, NO_SITUATION, STATUT, STATUT_V2
from bouquet_france_travail.upstream import (
    SCOPES,
    UNPAID,
    UNREGISTERED,
    Address,
    Jobseeker,
    Payment,
    Payments,
    Unknown,
    timed_out,
)
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
    UpstreamError,
    Worker,
    day_of,
    day_or_none,
    none_if_blank,
)


class Settings(ClientCredentialsSettings, frozen=True, kw_only=True):
    """Settings of the worker, from `BOUQUET_FRANCE_TRAVAIL_*`."""

    statut_url: str
    """URL of the API of a jobseeker's status."""
    indemnites_url: str
    """URL of the API of a jobseeker's payments."""


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
    """Declares one of the two APIs, with its own circuit breaker and token."""
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
    """Answers with a jobseeker's status."""
    # The body sent to France Travail is the bare identifier, without the quotes of JSON.
    answer = await statut_api.post(data=question.identity.identifiant, headers=headers_of(question), idempotent=True)
    if has_data(answer, UNREGISTERED):
        return to_statut(question.identity.identifiant, answer.decode(Jobseeker))
    return NotFound(NO_SITUATION)


@worker.answers(INDEMNITES, INDEMNITES_V2)
async def indemnites(question: Question[Identifiant], indemnites_api: UpstreamClient) -> contract.Indemnites | NotFound:
    """Answers with a jobseeker's payments. If there are none, the answer is an absence, as for an unknown person
    (docs/reference/upstreams/france_travail.md §4)."""
    identifiant = question.identity.identifiant
    answer = await indemnites_api.get(params={"loginMnemotechnique": identifiant}, headers=headers_of(question))
    if has_data(answer, UNPAID) and (payments := answer.decode(Payments).liste_paiement):
        return contract.Indemnites(identifiant=identifiant, paiements=tuple(map(paiement, payments)))
    return NotFound(NO_PAYMENT)


def headers_of(question: Question[Identifiant]) -> dict[str, str]:
    """Returns the header by which France Travail tells callers apart. It contains the id of the caller's token
    (docs/reference/upstreams/france_travail.md §1)."""
    return {"X-pe-consommateur": f"DINUM - {question.caller.token_id}"}


def has_data(answer: Answer, absent: int) -> bool:
    """Returns `True` if an answer contains data (status 200). Returns `False` if it says that there are none: by the
    status `absent`, which depends on the API, or by a 404 of France Travail itself. Raises `UpstreamError` for any
    other answer."""
    match answer.status:
        case 200:
            return True
        case 404 if answer.matches(Unknown):
            return False
        case status if status == absent:
            return False
        case 500 if timed_out(answer.body):
            raise UpstreamError("upstream_timeout", cause="HTTP 500")
        case _:
            raise answer.unexpected()


def to_statut(identifiant: str, seeker: Jobseeker) -> contract.Statut:
    """Converts a jobseeker in France Travail's JSON into the status that the contract publishes."""
    return contract.Statut(
        identifiant=identifiant,
        identite=contract.Identite(
            civilite=none_if_blank(seeker.civilite),
            nom_naissance=none_if_blank(seeker.nom),
            nom_usage=none_if_blank(seeker.nom_usage),
            prenom=none_if_blank(seeker.prenom),
            sexe=none_if_blank(seeker.sexe),
            date_naissance=day_or_none(seeker.date_naissance),
        ),
        contact=contract.Contact(
            telephone=none_if_blank(seeker.telephone),
            telephone2=none_if_blank(seeker.telephone2),
            email=none_if_blank(seeker.email),
        ),
        adresse=adresse(seeker.adresse or Address()),
        inscription=contract.Inscription(
            date_debut=day_or_none(seeker.date_inscription),
            date_fin=day_or_none(seeker.date_cessation_inscription),
            categorie=contract.Categorie(
                code=int(seeker.categorie_inscription), libelle=none_if_blank(seeker.libelle_categorie)
            ),
            code_certification_cnav=none_if_blank(seeker.certification),
        ),
    )


def adresse(address: Address) -> contract.Adresse:
    return contract.Adresse(
        code_postal=none_if_blank(address.code_postal),
        code_cog_insee_commune=none_if_blank(address.insee_commune),
        localite=none_if_blank(address.localite),
        ligne_voie=none_if_blank(address.ligne_voie),
        ligne_complement_destinataire=none_if_blank(address.ligne_complement_destinataire),
        ligne_complement_adresse=none_if_blank(address.ligne_complement_adresse),
        ligne_complement_distribution=none_if_blank(address.ligne_complement_distribution),
        ligne_nom=none_if_blank(address.ligne_nom),
    )


def paiement(payment: Payment) -> contract.Paiement:
    return contract.Paiement(
        date_versement=day_of(payment.date_paiement),
        montant_total=payment.montant_paiement,
        montant_allocations=payment.allocations,
        montant_aides=payment.aides,
        montant_autres=payment.autres_paiements,
    )

"""The worker of CNAF: quotient familial and family composition.  Owner: team-cnaf.

Upstreams: the social-security hub (bouquet_hub) for questions about a civil status, and the CAF's older SOAP service
for questions about a file number.
"""

from __future__ import annotations

from functools import partial
from ssl import SSLContext

from bouquet_cnaf import contract, upstream
from bouquet_cnaf.upstream import ABSENCES, FAILURES, SUCCESS, WRONG_PARAMETERS, Document, Person
from bouquet_hub.quotient import PUBLISHED, SEXES, quotient_familial
from bouquet_hub.upstream import HubSettings, hub_tls, hub_upstream
from bouquet_proto.quotient_familial import PROBLEMS, QUOTIENT_MISSING
from bouquet_worker import (
    Answer,
    Authority,
    Failed,
    NotFound,
    NumeroAllocataire,
    Question,
    Rejected,
    Upstream,
    UpstreamClient,
    UpstreamError,
    Worker,
    client_context,
    worker_prefix,
)

ADDRESS_FIELDS = (
    # LIBLIG1ADR to LIBLIG7ADR, in their order (docs/reference/upstreams/cnaf.md §4).
    "identite",
    "complement_identite",
    "complement_identite_geo",
    "numero_rue",
    "lieu_dit",
    "code_postal_ville",
    "pays",
)


class Settings(HubSettings, frozen=True, kw_only=True):
    """Settings of the worker, from `BOUQUET_CNAF_*`."""

    soap_url: str
    """URL of the CAF's SOAP service."""
    soap_certificate_path: str = ""
    """Path of the PEM client certificate, by which the SOAP service authenticates the worker."""
    soap_key_path: str = ""
    """Path of the PEM key of the client certificate, where the certificate's file does not hold it."""
    soap_ca_path: str = ""
    """Path of the PEM certificate of the authority that signed the CAF's certificate, where the system does not trust
    it."""
    soap_timeout_s: float | None = None
    """Timeout of one call to the SOAP service, in seconds; by default the worker's `TIMEOUT_S`."""


def soap_tls(settings: Settings) -> SSLContext:
    """Returns the TLS context for the SOAP service. Raises `SettingsError` for unusable certificates."""
    files = (settings.soap_ca_path, settings.soap_certificate_path, settings.soap_key_path)
    return client_context(f"{worker_prefix('cnaf')}SOAP_URL", settings.soap_url, *files)


worker = Worker(
    "cnaf",
    Settings,
    owner="team-cnaf",
    authority=Authority("CNAF", "23"),
    problems=PROBLEMS | contract.PROBLEMS,
    checks=[partial(hub_tls, "cnaf"), soap_tls],
)


@worker.upstream
def hub(settings: Settings) -> Upstream:
    """Declares the social-security hub as an upstream."""
    return hub_upstream("cnaf", "hub", settings)


@worker.upstream
def soap(settings: Settings) -> Upstream:
    """Declares the CAF's SOAP service as an upstream."""
    return Upstream(
        "cnaf soap",
        settings.soap_url,
        timeout_s=settings.soap_timeout_s,
        headers=upstream.HEADERS,
        ssl=soap_tls(settings),
    )


worker.answers(*PUBLISHED)(quotient_familial)


@worker.answers(contract.COMPOSITION_FAMILIALE)
async def composition_familiale(
    question: Question[NumeroAllocataire], soap: UpstreamClient
) -> contract.CompositionFamiliale | NotFound | Rejected | Failed:
    """Answers with the family composition in a CAF's file. The question names the file by its number and postal
    code."""
    return read(await soap.post(data=upstream.envelope(question.identity), idempotent=True))


def read(answer: Answer) -> contract.CompositionFamiliale | NotFound | Rejected | Failed:
    """Converts the SOAP service's answer to the worker's reply: the family composition, an absence or refusal for some
    return codes, or a failure if the document has no quotient (docs/reference/upstreams/cnaf.md §5-6). Raises
    `UpstreamError` for any other answer."""
    if answer.status == 500 and b"Internal Server Error" in answer.body:
        raise UpstreamError("upstream_internal", cause="HTTP 500")
    if answer.status != 200:
        raise answer.unexpected()
    retour = upstream.retour_of(answer.body)
    if retour.code == SUCCESS:
        return to_contract(upstream.document_of(retour.document))
    if absence := ABSENCES.get(retour.code):
        return NotFound(absence)
    if parameter := WRONG_PARAMETERS.get(retour.code):
        return Rejected(parameter)
    raise UpstreamError(FAILURES.get(retour.code, "upstream_unknown"), cause=f"code {retour.code}")


def to_contract(document: Document) -> contract.CompositionFamiliale | Failed:
    """Returns the family composition as the contract publishes it, or a failure if there is no quotient
    (docs/reference/upstreams/cnaf.md §4, §6)."""
    if document.quotient is None:
        return Failed(QUOTIENT_MISSING)
    return contract.CompositionFamiliale(
        quotient_familial=document.quotient.value,
        mois=document.quotient.month,
        annee=document.quotient.year,
        allocataires=tuple(map(personne, document.persons)),
        enfants=tuple(map(personne, document.children)),
        adresse=contract.Adresse(
            **{name: line for name, line in zip(ADDRESS_FIELDS, document.lines, strict=True) if line}
        ),
    )


def personne(person: Person) -> contract.Personne:
    """Returns a person of the CAF's document as the contract publishes it."""
    return contract.Personne(nom_prenom=person.name, date_de_naissance=person.born, sexe=SEXES.get(person.sex))

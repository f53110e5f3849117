"""The worker of CNAF, the national fund of family allowances: quotient familial and family composition.

Owner: team-cnaf. Upstreams: the social-security hub (bouquet_hub) for lookups by civil status, and the older SOAP
service of the CAF (CNAF's local offices) for lookups by file number.
"""

from __future__ import annotations

from functools import partial

from bouquet_cnaf import contract, upstream
from bouquet_cnaf.mapping import to_contract
from bouquet_cnaf.settings import Settings, soap_tls
from bouquet_cnaf.upstream import ABSENCES, FAILURES, SUCCESS, WRONG_PARAMETERS
from bouquet_hub.quotient import PUBLISHED, quotient_familial
from bouquet_hub.upstream import hub_tls, hub_upstream
from bouquet_proto.quotient_familial import PROBLEMS
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
)

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
    """Answers with the composition of the family whose file at a CAF has this number and postal code. Returns
    `NotFound` if there is no such file, `Rejected` if the CAF refuses the number or the postal code, and `Failed` if
    the file has no quotient familial."""
    return read(await soap.post(data=upstream.envelope(question.identity), idempotent=True))


def read(answer: Answer) -> contract.CompositionFamiliale | NotFound | Rejected | Failed:
    """Returns the family composition in the SOAP service's answer, or `Failed` if the file has no quotient familial.
    Raises `UpstreamError` for an unknown error code (docs/reference/upstreams/cnaf.md §5-6)."""
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

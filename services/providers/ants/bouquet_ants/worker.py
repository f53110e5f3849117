"""The worker of the ANTS, the agency for secure documents: the registration of a citizen's vehicle. Owner: team-ants.
Upstream: the SIV, the State's register of vehicles (docs/reference/upstreams/ants.md)."""

from __future__ import annotations

from bouquet_ants import contract
from bouquet_ants.contract import EXTRAIT_IMMATRICULATION, NO_SUCH_HOLDER, UNKNOWN_VEHICLE, ExtraitImmatriculation
from bouquet_ants.envelope import HEADERS, Siv
from bouquet_ants.mapping import to_contract
from bouquet_ants.matching import find_citizen
from bouquet_ants.settings import Settings, check_signer, siv_tls
from bouquet_ants.upstream import VehicleRecord, record_in
from bouquet_worker import Authority, Identite, NotFound, Question, Upstream, UpstreamClient, Worker

MAX_ANSWER_BYTES = 200_000
"""Largest size, in bytes, of an accepted answer of the SIV. A usual answer has about 5,000 bytes."""

worker = Worker(
    "ants",
    Settings,
    owner="team-ants",
    authority=Authority("ANTS", "42"),
    problems=contract.PROBLEMS,
    checks=[check_signer],
)


@worker.upstream
def siv_api(settings: Settings) -> Upstream:
    """Declares the SIV's SOAP service as an upstream."""
    return Upstream("ants siv", settings.url, headers=HEADERS, ssl=siv_tls(settings), max_body_bytes=MAX_ANSWER_BYTES)


@worker.upstream
def siv(settings: Settings, siv_api: UpstreamClient) -> Siv:
    """Returns the client that signs requests to the SIV and sends them through `siv_api`."""
    return Siv(settings, siv_api)


@worker.answers(EXTRAIT_IMMATRICULATION)
async def extrait_immatriculation(question: Question[Identite], siv: Siv) -> ExtraitImmatriculation | NotFound:
    """Answers with the extract of a vehicle's registration. Returns `NotFound` if the SIV does not know the number
    plate, or if the vehicle's record does not name the citizen."""
    record = record_in(await siv.ask(str(question.parameters["immatriculation"])))
    return NotFound(UNKNOWN_VEHICLE) if record is None else extract_for(question.identity, record)


def extract_for(who: Identite, record: VehicleRecord) -> ExtraitImmatriculation | NotFound:
    """Returns the published extract of a vehicle's record: the vehicle, and the person in the record who is the citizen
    `who`. Returns `NotFound` if the record does not name the citizen."""
    match = find_citizen(who, record)
    return NotFound(NO_SUCH_HOLDER) if match is None else to_contract(record, match)

"""Verification of proofs (encrypted texts that show later what an answer said). Anybody may have a proof verified, with
a limit for each network address."""

from __future__ import annotations

from urllib.parse import parse_qs

from msgspec import Struct

from bouquet_gateway.access.address_limit import AddressLimit
from bouquet_gateway.call import HttpRequest
from bouquet_gateway.proofs.journal_entry import KnownState, entry_state
from bouquet_gateway.proofs.proofs import PROOF_PARAMETER, Proofs
from bouquet_gateway.proofs.revocation import refuse_revoked
from bouquet_gateway.proofs.statement import Statement
from bouquet_mesh.bus.api import BusClient
from bouquet_mesh.tasks import alongside
from bouquet_proto.deadline import Deadline

MAX_PARAMETERS = 10


class VerifiedProof(Struct, frozen=True):
    """Valid proof (an encrypted text that shows later what an answer said), with its content."""

    statement: Statement
    text: str
    """The proof itself: the encrypted text."""
    entry: KnownState | None
    """State of the answer's record in the access journal, such as `kept` or `pruned` (deleted at the end of its
    retention). `None` if the proof names no record."""


class ProofChecks:
    """Service that verifies proofs (encrypted texts that show later what an answer said). Callers need no token, but
    each IP address may have only a limited number of proofs verified."""

    def __init__(self, proofs: Proofs, bus: BusClient, limit: AddressLimit) -> None:
        self._proofs = proofs
        self._bus = bus
        self._limit = limit

    async def check(self, request: HttpRequest, request_id: str, deadline: Deadline) -> VerifiedProof:
        """Verifies the proof in a request's query. Raises `Problem` if the proof is missing, not valid or revoked, or
        if the IP address has exceeded its limit."""
        # Also raises `Problem` if the registry does not say whether the proof is revoked.
        await self._limit.count(request)
        text = sealed_text(request.raw_query, PROOF_PARAMETER)
        statement = self._proofs.verify(text)
        if not statement.record:
            return VerifiedProof(statement, text, None)
        async with alongside(entry_state(self._bus, statement.record, request_id, deadline)) as entry:
            await refuse_revoked(self._bus, statement.record, request_id, deadline)
            return VerifiedProof(statement, text, await entry)


def sealed_text(raw_query: str, parameter: str) -> str:
    """Returns the encrypted text in the query parameter `parameter`, or "" if there is none. Unlike the parameters of
    operations, it may be longer than 255 characters."""
    try:
        return parse_qs(raw_query, max_num_fields=MAX_PARAMETERS).get(parameter, [""])[-1]
    except ValueError:
        return ""

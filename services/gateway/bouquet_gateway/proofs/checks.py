"""Verification of proofs (encrypted texts that show later what an answer said) for anybody, with a limit for each
network address."""

from __future__ import annotations

from urllib.parse import parse_qs

from msgspec import Struct

from bouquet_gateway.access.addresses import Networks, client_address
from bouquet_gateway.access.rate_limit import MINUTE_S, Limit, RateLimiter
from bouquet_gateway.call import HttpRequest
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.proofs.entry import KnownState, entry_state
from bouquet_gateway.proofs.proofs import PARAMETER, Proofs
from bouquet_gateway.proofs.revocation import refuse_revoked
from bouquet_gateway.proofs.statement import Statement
from bouquet_mesh.bus.api import Calling
from bouquet_mesh.networks import networks_of
from bouquet_proto.deadline import Deadline

GROUP = " proofs"
"""Name under which the rate limiter counts the verifications by an address, apart from calls with a token."""
MAX_PARAMETERS = 10


class Verified(Struct, frozen=True):
    """Valid proof (an encrypted text that shows later what an answer said), with its content."""

    statement: Statement
    text: str
    """Sealed text of the proof."""
    entry: KnownState | None
    """State of its record in the access journal; `None` if it names none."""


class ProofChecks:
    """Service that verifies proofs (encrypted texts that show later what an answer said). Callers need no token, but
    each address has a limit."""

    def __init__(
        self, proofs: Proofs, bus: Calling, limiter: RateLimiter, per_minute: int, trusted_proxies: Networks
    ) -> None:
        """Takes `per_minute`, the largest number of verifications per minute by one IPv4 address or IPv6 /64
        network."""
        self._proofs = proofs
        self._bus = bus
        self._limiter = limiter
        self._limit = Limit(per_minute, MINUTE_S, GROUP)
        self._trusted_proxies = trusted_proxies

    async def check(self, request: HttpRequest, request_id: str, deadline: Deadline) -> Verified:
        """Returns the proof in a request's query. Raises `Problem` if the address has exceeded its limit, if the proof
        is missing, not valid or revoked, or if the registry does not say whether it is revoked."""
        address = client_address(request.peer, request.forwarded_for, self._trusted_proxies)
        allowance = await self._limiter.count(networks_of(address)[0], self._limit)
        if not allowance.allowed:
            raise Problem("too_many_requests", meta={"retry_in": allowance.retry_after_s})
        text = _sealed_text(request.raw_query)
        statement = self._proofs.verify(text)
        if not statement.record:
            return Verified(statement, text, None)
        await refuse_revoked(self._bus, statement.record, request_id, deadline)
        return Verified(statement, text, await entry_state(self._bus, statement.record, request_id, deadline))


def _sealed_text(raw_query: str) -> str:
    """Returns the text of the proof in a query, or "" if there is none. The text may be longer than the parameters of
    operations."""
    try:
        return parse_qs(raw_query, max_num_fields=MAX_PARAMETERS).get(PARAMETER, [""])[-1]
    except ValueError:
        return ""

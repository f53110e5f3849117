"""Limit on requests without a token, for each network address."""

from __future__ import annotations

from bouquet_gateway.access.addresses import Networks, client_address
from bouquet_gateway.access.rate_limit import MINUTE_S, Limit, RateLimiter
from bouquet_gateway.access.unknown_bearers import NETWORK_LIMIT_FACTOR
from bouquet_gateway.call import HttpRequest
from bouquet_gateway.errors.problems import Problem
from bouquet_mesh.networks import networks_of


class AddressLimit:
    """Limit on the requests per minute from one network address: one IPv4 address, or one IPv6 /64 network. An IPv6 /48
    network has a limit of its own, ten times as high."""

    # One customer may have a whole /48 network.

    def __init__(self, limiter: RateLimiter, group: str, per_minute: int, trusted_proxies: Networks) -> None:
        """Takes `group`, the kind of requests that is counted, such as `proofs`. Each kind has a count of its own. If a
        request comes from one of `trusted_proxies`, the caller's address is read from `X-Forwarded-For`."""
        self._limiter = limiter
        self._limits = [Limit(per_minute * factor, MINUTE_S, group) for factor in (1, NETWORK_LIMIT_FACTOR)]
        self._trusted_proxies = trusted_proxies

    async def count(self, request: HttpRequest) -> None:
        """Counts a request. Raises `Problem` if its address has exceeded the limit."""
        address = client_address(request.peer, request.forwarded_for, self._trusted_proxies)
        for network, limit in zip(networks_of(address), self._limits, strict=False):
            allowance = await self._limiter.count(network, limit)
            if not allowance.allowed:
                raise Problem("too_many_requests", meta={"retry_in": allowance.retry_after_s})

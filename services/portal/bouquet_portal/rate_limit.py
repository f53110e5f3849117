"""Rate limit on what the portal does for one visitor's IP address, such as calls to the sandbox."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest

from bouquet_portal.proxies import networks, visitor_address

MAX_ADDRESSES = 10_000
"""Largest number of visitors' IP addresses counted in memory. At this number, all counts restart at 0."""
IPV6_PREFIX = 64
"""Length, in bits, of the beginning of an IPv6 address that identifies a visitor."""
# One visitor usually has all addresses with the same beginning.


class RateLimit:
    """Limit on what the portal does for one visitor's IP address: at most `actions` actions in each period of
    `period_s` seconds."""

    def __init__(self, actions: int, *, period_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._actions = actions
        self._period_s = period_s
        self._clock = clock
        self._lock = threading.Lock()
        self._period = 0
        self._counts: dict[str, int] = {}

    def allows(self, address: str) -> bool:
        """Counts one action for this address, and returns whether the address is still within the limit."""
        counted = _network(address)
        with self._lock:
            period = int(self._clock() // self._period_s)
            if period != self._period or len(self._counts) >= MAX_ADDRESSES:
                self._period, self._counts = period, {}
            self._counts[counted] = self._counts.get(counted, 0) + 1
            return self._counts[counted] <= self._actions


def address_of(request: HttpRequest) -> str:
    """Returns the address of the visitor who sent a request. Behind a proxy that `BOUQUET_PORTAL_TRUSTED_PROXIES` does
    not name, returns the proxy's address."""
    peer, forwarded = (str(request.META.get(name, "")) for name in ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"))
    return visitor_address(peer, forwarded, networks(settings.PORTAL.trusted_proxies))


def _network(address: str) -> str:
    """Returns the network of an IPv6 address, such as `2001:db8::/64`, whose addresses count as one visitor. Returns
    other texts, such as IPv4 addresses, unchanged."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    return str(ipaddress.ip_network((int(known), IPV6_PREFIX), strict=False))

"""Networks under which the connections and calls of a client are counted. One client may use very many IPv6 addresses,
so counting by address would not limit it."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

PREFIXES = (64, 48)
"""Lengths, in bits, of the IPv6 network prefixes under which a client is counted, longest first."""
# A provider gives a customer at least a /64, often a /56 or a /48.


@lru_cache(maxsize=4096)
def networks_of(address: str) -> tuple[str, ...]:
    """Returns the networks under which a client with this address is counted, smallest first. For IPv4, returns only
    the address itself; for IPv6, a network for each length in `PREFIXES`, such as `2001:db8::/64`. Returns `("",)` for
    a text that is no address."""
    try:
        read = ip_address(address)
    except ValueError:
        return ("",)
    if not isinstance(read, IPv6Address):
        return (str(read),)
    if read.ipv4_mapped:
        return (str(read.ipv4_mapped),)
    return tuple(str(ip_network((int(read), prefix), strict=False)) for prefix in PREFIXES)

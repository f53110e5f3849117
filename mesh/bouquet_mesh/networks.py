"""Networks by which clients are counted. One client may have very many addresses in IPv6."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

PREFIXES = (64, 48)
"""Lengths of the prefixes of IPv6 networks by which a client is counted, longest first."""
# A provider gives a customer at least a /64, often a /56 or a /48.


@lru_cache(maxsize=4096)
def networks_of(address: str) -> tuple[str, ...]:
    """Returns the networks by which an address is counted, smallest first: the address itself for IPv4, and its
    networks of `PREFIXES` for IPv6. A text that is no address gives ("",)."""
    try:
        read = ip_address(address)
    except ValueError:
        return ("",)
    if not isinstance(read, IPv6Address):
        return (str(read),)
    if read.ipv4_mapped:
        return (str(read.ipv4_mapped),)
    return tuple(str(ip_network((int(read), prefix), strict=False)) for prefix in PREFIXES)

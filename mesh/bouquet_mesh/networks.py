"""Networks that stand for a client in counts and limits, since one client may have very many IPv6 addresses."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

PREFIXES = (64, 48)
"""Prefix lengths of the IPv6 networks that stand for one client, longest first."""
# A provider gives a customer at least a /64, often a /56 or a /48.


@lru_cache(maxsize=4096)
def networks_of(address: str) -> tuple[str, ...]:
    """Returns the networks that stand for a client's address, smallest first. For IPv4, it is the address alone; for
    IPv6, the networks with the prefix lengths `PREFIXES`. Returns ("",) for a text that is no address."""
    try:
        read = ip_address(address)
    except ValueError:
        return ("",)
    if not isinstance(read, IPv6Address):
        return (str(read),)
    if read.ipv4_mapped:
        return (str(read.ipv4_mapped),)
    return tuple(str(ip_network((int(read), prefix), strict=False)) for prefix in PREFIXES)

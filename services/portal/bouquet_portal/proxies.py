"""Functions that find the address of a visitor whose requests come through trusted proxies."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]


@cache
def networks(text: str) -> Networks:
    """Converts a list of addresses and CIDR ranges, separated by commas, to networks. Raises `ValueError` for any other
    text."""
    return tuple(ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip())


def visitor_address(peer: str, forwarded: str, trusted: Networks) -> str:
    """Returns the IP address of the visitor who sent a request: `peer`, the other end of the connection, unless `peer`
    is a trusted proxy. Behind a trusted proxy, returns the last address in `forwarded` (the header `X-Forwarded-For`)
    that is not in `trusted`."""
    # If all are trusted proxies, the first address counts.
    # Anybody can write `X-Forwarded-For`: a hop counts only when a trusted proxy has added it.
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()] + [peer]
    return next((hop for hop in reversed(hops) if not _is_in(hop, trusted)), hops[0])


def _is_in(text: str, trusted: Networks) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return any(address.ipv4_mapped in network for network in trusted)
    return any(address in network for network in trusted)

"""Where a call comes from, and whether that is where it may come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]


def networks_of(texts: Iterable[str]) -> Networks:
    """Addresses are networks of one. What cannot be read is left out: it never matches
    (docs/reference/contract.md §2.3)."""
    found = []
    for text in texts:
        try:
            found.append(ip_network(text.strip(), strict=False))
        except ValueError:
            continue
    return tuple(found)


def client_of(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """The first hop, from our end, that is no proxy of ours; the farthest when all are. `forwarded` are the values
    of `X-Forwarded-For`, which anybody can write: only what a trusted proxy added to it counts."""
    if not trusted:
        return peer
    hops = [hop.strip() for value in forwarded for hop in value.split(",")] + [peer]
    return next((hop for hop in reversed(hops) if not is_in(hop, trusted)), hops[0])


def is_in(text: str, networks: Networks) -> bool:
    """False for what is no address."""
    try:
        address: Address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)

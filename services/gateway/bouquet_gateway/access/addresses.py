"""IP addresses: search for a caller's address behind trusted proxies, and check whether an address belongs to given
networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]


def parse_networks(texts: Iterable[str]) -> Networks:
    """Converts IP addresses and CIDR ranges to networks. Ignores all other texts (docs/reference/contract.md §2.3)."""
    found = []
    for text in texts:
        try:
            found.append(ip_network(text.strip(), strict=False))
        except ValueError:
            continue
    return tuple(found)


def client_address(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """Returns the caller's IP address. Usually it is `peer`, the address of the TCP connection.

    If `peer` is a trusted proxy, the address is read from `forwarded` (the `X-Forwarded-For` headers): the last address
    that is not a trusted proxy's.
    """
    if not trusted:
        return peer

    # Anybody can write `X-Forwarded-For`: a hop counts only when a trusted proxy has added it.
    hops = [hop.strip() for value in forwarded for hop in value.split(",")] + [peer]
    return next((hop for hop in reversed(hops) if not is_in_networks(hop, trusted)), hops[0])


def is_in_networks(text: str, networks: Networks) -> bool:
    """Returns whether `text` is an IP address in one of the networks. False if `text` is no IP address."""
    try:
        address: Address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouquet_gateway.access.addresses import client_address, is_in_networks, parse_networks
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.settings import SettingsError

OURS = parse_networks(["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("address", "allowed", "inside"),
    [
        ("192.0.2.7", ["192.0.2.7"], True),
        ("192.0.2.8", ["192.0.2.7"], False),
        ("192.0.2.8", ["192.0.2.0/24"], True),
        ("192.0.2.8", ["192.0.2.7/24"], True),
        ("2001:db8::1", ["2001:db8::/32"], True),
        ("2001:db9::1", ["2001:db8::/32"], False),
        ("::ffff:192.0.2.7", ["192.0.2.7"], True),
        ("192.0.2.7", ["::/0"], False),
        ("192.0.2.7", ["nonsense", "192.0.2.7"], True),
        ("192.0.2.7", ["nonsense"], False),
        ("nonsense", ["0.0.0.0/0", "::/0"], False),
        ("", ["0.0.0.0/0", "::/0"], False),
    ],
)
def test_membership_of_an_address_in_networks(address: str, allowed: list[str], inside: bool) -> None:
    assert is_in_networks(address, parse_networks(allowed)) is inside


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1 ,10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], "nonsense"),
        ("10.0.0.1", [""], ""),
        ("10.0.0.1", [], "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_hop_that_is_not_a_trusted_proxy(peer: str, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, OURS) == client


@given(st.text(), st.lists(st.text()))
def test_without_trusted_proxies_the_client_is_the_peer_whatever_the_header(peer: str, forwarded: list[str]) -> None:
    assert client_address(peer, forwarded, ()) == peer


def test_a_trusted_proxy_that_cannot_be_parsed_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="BOUQUET_GATEWAY_TRUSTED_PROXIES"):
        GatewaySettings(trusted_proxies=("10.0.0.0/8", "nonsense")).proxies()

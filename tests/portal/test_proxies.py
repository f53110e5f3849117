"""Tests of a visitor's address behind trusted proxies."""

from __future__ import annotations

import pytest

from bouquet_portal.proxies import networks, visitor_address
from tests.portal.settings import problems

PROXIES = networks("10.0.0.0/8, 2001:db8::1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("2001:db8::1", "198.51.100.1, ::ffff:10.0.0.2", "198.51.100.1"),
        ("10.1.2.3", "not an address", "not an address"),
    ],
)
def test_only_a_trusted_proxy_says_for_whom_it_asks(peer: str, forwarded: str, address: str) -> None:
    assert visitor_address(peer, forwarded, PROXIES) == address


def test_without_trusted_proxies_the_peer_is_the_visitor() -> None:
    assert visitor_address("10.1.2.3", "198.51.100.1", networks("")) == "10.1.2.3"


def test_a_wrong_proxy_is_a_wrong_setting() -> None:
    assert problems(trusted_proxies="10.0.0.0/8, nowhere") == [
        "BOUQUET_PORTAL_TRUSTED_PROXIES: must be addresses or CIDR ranges, separated by commas"
    ]

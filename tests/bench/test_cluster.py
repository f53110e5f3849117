"""Tests that a gateway accepts the offers of the fictitious providers of `make bench-cluster`."""

from __future__ import annotations

from msgspec import Raw

from bench.cluster import OPERATIONS, PROVIDERS, offers
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.checks import read_offer
from bouquet_proto.messages import encode


def test_a_gateway_accepts_every_operation_of_the_fictitious_providers() -> None:
    accepted = [read_offer(offer.provider, Raw(encode(offer)), {}).offer for offer in offers()]
    assert len(accepted) == PROVIDERS
    assert len(Catalogue([offer for offer in accepted if offer]).by_path) == OPERATIONS

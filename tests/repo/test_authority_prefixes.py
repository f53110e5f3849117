"""Test that the table of assigned prefixes has the authorities of all workers of this repository."""

from __future__ import annotations

from importlib.metadata import entry_points

from bouquet_proto.names import WORKERS
from bouquet_proto.offer import AUTHORITY_PREFIXES


def test_no_other_provider_may_use_the_prefix_of_an_authority_of_this_repository() -> None:
    offers = [entry.load().offer() for entry in entry_points(group=WORKERS)]
    authorities = [
        authority
        for offer in offers
        for authority in (offer.authority, *(operation.authority for operation in offer.operations))
        if authority
    ]
    assert authorities
    assert [one.label for one in authorities if AUTHORITY_PREFIXES.get(one.prefix) != one.label] == []

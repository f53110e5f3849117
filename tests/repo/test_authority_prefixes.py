"""Tests that the table of assigned prefixes and the page for the night have the authorities of all workers of this
repository."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from bouquet_proto.names import WORKERS
from bouquet_proto.offer import AUTHORITY_PREFIXES, Authority

NIGHT_PAGE = Path(__file__).parents[2] / "docs" / "operations" / "at-3-am.md"


def authorities_of_all_workers() -> list[Authority]:
    offers = [entry.load().offer() for entry in entry_points(group=WORKERS)]
    return [
        authority
        for offer in offers
        for authority in (offer.authority, *(operation.authority for operation in offer.operations))
        if authority
    ]


def test_no_other_provider_may_use_the_prefix_of_an_authority_of_this_repository() -> None:
    authorities = authorities_of_all_workers()
    assert authorities
    assert [one.label for one in authorities if AUTHORITY_PREFIXES.get(one.prefix) != one.label] == []


def test_the_page_for_the_night_names_the_authority_of_each_prefix() -> None:
    page = " ".join(NIGHT_PAGE.read_text(encoding="utf-8").split())
    missing = {one.label for one in authorities_of_all_workers() if f" {one.prefix} {one.label}" not in page}
    assert missing == set()

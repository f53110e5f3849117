"""Tests that the offer files in the repository (descriptions of each worker's operations) are equal to what the workers
generate now."""

from __future__ import annotations

import runpy
from pathlib import Path

import msgspec
import pytest

from bouquet_proto.offer import Offer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made() -> dict[Path, str]:
    documents: dict[Path, str] = runpy.run_path(str(ROOT / "scripts" / "generate_offers.py"))["documents"]()
    return documents


@pytest.fixture(scope="module")
def kept() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in ROOT.glob("proto/offers/*.json")}


def test_the_offer_files_are_up_to_date(made: dict[Path, str], kept: dict[Path, str]) -> None:
    stale = sorted(path.name for path in made.keys() | kept.keys() if made.get(path) != kept.get(path))
    assert stale == [], "run scripts/generate_offers.py"


def test_an_offer_file_can_be_decoded(kept: dict[Path, str]) -> None:
    assert {path.stem for path in kept} == {msgspec.json.decode(text, type=Offer).provider for text in kept.values()}

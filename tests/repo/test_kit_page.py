"""Tests that docs/kit.md, the reference for teams of providers, describes the kit as it is."""

from __future__ import annotations

import runpy
from pathlib import Path

import bouquet_worker

ROOT = Path(__file__).parents[2]
PAGE = runpy.run_path(str(ROOT / "scripts" / "generate_kit.py"))


def test_the_reference_of_the_kit_is_up_to_date() -> None:
    assert (ROOT / "docs" / "kit.md").read_text(encoding="utf-8") == PAGE["document"](), "run scripts/generate_kit.py"


def test_the_reference_has_every_name_that_the_kit_promises() -> None:
    assert sorted(name for names in PAGE["SECTIONS"].values() for name in names) == sorted(bouquet_worker.__all__)

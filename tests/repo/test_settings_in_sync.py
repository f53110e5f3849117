"""Tests that docs/settings.md lists the settings that the code reads."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_settings_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "generate_settings.py"))["document"]()
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == made, "run scripts/generate_settings.py"

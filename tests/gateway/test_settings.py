"""Tests of settings of the previous release that a gateway still accepts."""

from __future__ import annotations

import pytest

from bouquet_gateway.settings import REMOVED_SETTINGS, read_settings
from bouquet_mesh.settings import Reader


@pytest.mark.parametrize("name", REMOVED_SETTINGS)
def test_a_removed_setting_is_accepted_with_a_warning(name: str) -> None:
    reader = Reader({f"BOUQUET_GATEWAY_{name}": "any value"})
    read_settings(reader)
    assert reader.without_effect == [f"BOUQUET_GATEWAY_{name}"]
    assert not [problem for problem in reader.problems if name in problem]

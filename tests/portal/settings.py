"""Settings of the portal, with the problems that reading them finds."""

from __future__ import annotations

import pytest

from bouquet_portal.environment import SettingsError, read


def problems(**settings: str) -> list[str]:
    """Reads wrong settings of the portal, and returns the problems that the error names. Fails if there is none."""
    with pytest.raises(SettingsError) as raised:
        read({f"BOUQUET_PORTAL_{name.upper()}": text for name, text in settings.items()})
    return raised.value.problems

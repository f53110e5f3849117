"""The number of a French establishment (docs/reference/contract.md §1.5.1)."""

from __future__ import annotations

import re

SIRET = re.compile(r"\d{14}", re.ASCII)
DOUBLED = str.maketrans("0123456789", "0246813579")
LA_POSTE = "356000000"
"""Its establishments have numbers that no checksum covers."""


def is_siret(text: str) -> bool:
    """Fourteen digits whose Luhn sum is a multiple of ten, or any establishment of La Poste."""
    return SIRET.fullmatch(text) is not None and (text.startswith(LA_POSTE) or _luhn(text) % 10 == 0)


def _luhn(digits: str) -> int:
    """Every second digit from the right counts double, and a double counts as the sum of its own digits."""
    return sum(map(int, digits[::-2] + digits[-2::-2].translate(DOUBLED)))

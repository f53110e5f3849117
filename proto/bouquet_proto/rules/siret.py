"""Check of a SIRET, the number of a French establishment (docs/reference/contract.md §1.5.1)."""

from __future__ import annotations

import re
from functools import lru_cache

SIRET = re.compile(r"\d{14}", re.ASCII)
DOUBLED = str.maketrans("0123456789", "0246813579")
LA_POSTE = "356000000"
"""SIREN of La Poste. The SIRETs of its establishments begin with this number, and need no valid checksum."""


@lru_cache(maxsize=1024)  # nearly all calls name one of a few administrations
def is_siret(text: str) -> bool:
    """Returns whether a text is a SIRET: fourteen digits with a valid Luhn checksum. The checksum is not checked for
    establishments of La Poste."""
    return SIRET.fullmatch(text) is not None and (text.startswith(LA_POSTE) or _luhn(text) % 10 == 0)


def _luhn(digits: str) -> int:
    return sum(map(int, digits[::-2] + digits[-2::-2].translate(DOUBLED)))

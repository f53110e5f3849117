"""Codes of regions and départements in the nomenclature of the education ministry (BCN), which differ from INSEE's
codes (docs/reference/upstreams/men.md §2)."""

from __future__ import annotations

REGIONS = frozenset(f"{number:02d}" for number in range(1, 19))
"""Codes of the regions in the education ministry's nomenclature (BCN), two digits each. They differ from INSEE's
codes."""

DEPARTEMENTS = frozenset(
    [f"{number:03d}" for number in range(1, 96) if number != 20]
    + ["02A", "02B"]
    + [str(number) for number in (*range(971, 979), 986, 987, 988)]
)
"""Codes of départements and overseas territories in the education ministry's nomenclature (BCN), three characters each.
Paris has `075`, while INSEE's code is `75`."""

"""Codes of regions and départements in the nomenclature of the education ministry (BCN), which differ from INSEE's
codes (docs/reference/upstreams/men.md §2)."""

from __future__ import annotations

REGIONS = frozenset(f"{number:02d}" for number in range(1, 19))
"""Codes of regions, two digits each."""

DEPARTEMENTS = frozenset(
    [f"{number:03d}" for number in range(1, 96) if number != 20]
    + ["02A", "02B"]
    + [str(number) for number in (*range(971, 979), 986, 987, 988)]
)
"""Codes of départements and overseas territories, three characters each."""

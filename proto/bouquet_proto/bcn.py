"""Codes of the education ministry's nomenclature (BCN), whose regions are not INSEE's
(docs/reference/upstreams/men.md §2)."""

from __future__ import annotations

REGIONS = frozenset(f"{number:02d}" for number in range(1, 19))

DEPARTEMENTS = frozenset(
    [f"{number:03d}" for number in range(1, 96) if number != 20]
    + ["02A", "02B"]
    + [str(number) for number in (*range(971, 979), 986, 987, 988)]
)

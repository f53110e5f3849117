"""Figures in words: two digits that count, in the unit that suits."""

from __future__ import annotations

import math
from collections.abc import Sequence

SCALES: dict[str, tuple[tuple[str, float], ...]] = {
    "µs": (("µs", 1), ("ms", 1e3), ("s", 1e6), ("min", 6e7), ("h", 3.6e9)),
    "bytes": (("bytes", 1), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)),
}
"""Of a unit, from the smallest on."""

LEAST_SHARE = 0.1


def shown(values: Sequence[float], unit: str) -> str:
    """One value, or from which to which. A unit that has no scale follows the number; `exactly` is a count."""
    if unit == "exactly":
        return f"{max(values):,.0f}"
    if unit == "%" and max(values) < LEAST_SHARE:
        return f"< {LEAST_SHARE} %"
    name, size = _scale(max(values), unit)
    texts = list(dict.fromkeys(significant(value / size) for value in (min(values), max(values))))
    return f"{' to '.join(texts)}{name if name in ('/s', '') else f' {name}'}"


def _scale(value: float, unit: str) -> tuple[str, float]:
    scales = SCALES.get(unit, ((unit, 1.0),))
    return next((scale for scale in reversed(scales) if value >= scale[1]), scales[0])


def significant(value: float) -> str:
    if not value:
        return "0"
    rounded = round(value, 1 - math.floor(math.log10(abs(value))))
    return f"{rounded:,.0f}" if abs(rounded) >= 10 else f"{rounded:g}"

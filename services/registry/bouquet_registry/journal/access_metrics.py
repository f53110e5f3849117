"""Metric that counts accesses to data by operation and by habilitation (an administration's right to call operations).
The label `habilitation` names an administration, never a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bouquet_proto.access_record import Access
from bouquet_registry import metrics

MAX_PAIRS = 2000
"""Largest number of pairs of habilitation and operation that the metric of accesses counts separately. All further
pairs are counted together."""
OTHER = ("other", "other")
"""Values of the labels `habilitation` and `operation` under which all pairs after the first `MAX_PAIRS` are counted."""


class AccessCounter:
    def __init__(self, max_pairs: int = MAX_PAIRS) -> None:
        self._max_pairs = max_pairs
        self._pairs: set[tuple[str, str]] = set()

    def count(self, accesses: Iterable[Access]) -> None:
        kinds = Counter((access.habilitation, access.operation, access.outcome) for access in accesses)
        for (habilitation, operation, outcome), number in kinds.items():
            metrics.ACCESSES.labels(*self._bounded((habilitation, operation)), outcome).inc(number)

    def _bounded(self, pair: tuple[str, str]) -> tuple[str, str]:
        if pair not in self._pairs and len(self._pairs) >= self._max_pairs:
            return OTHER
        self._pairs.add(pair)
        return pair

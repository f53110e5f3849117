"""The interface to a source of commune codes, and the metric of its lookups."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import Counter

COG_LOOKUPS = Counter(
    "bouquet_cog_lookups_total",
    "Searches for the code of a commune of birth, by outcome: `found`, `unknown` (no commune, or several), `failed`.",
    ["source", "outcome"],
)


class CommuneSource(Protocol):
    """A source of commune codes: the data of this package in memory, or INSEE's API."""

    async def find(self, nom: str, departement: str, annee: int) -> str | None:
        """Returns the code in the year `annee` of the commune called `nom`, or `None` where no commune of the
        département had the name, or several had.

        Raises `UpstreamError` where the source cannot be asked.
        """


def counted(source: str, code: str | None) -> str | None:
    """Counts the result of a lookup in `COG_LOOKUPS`, as `found` or `unknown`, and returns it."""
    COG_LOOKUPS.labels(source, "found" if code else "unknown").inc()
    return code

"""The interface to a source of commune codes, and the metric of its lookups."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import Counter

COG_LOOKUPS = Counter(
    "bouquet_cog_lookups_total",
    "Lookups of the code of a place of birth, by outcome: `found`, `unknown` (or ambiguous), `failed`.",
    ["source", "outcome"],
)


class CommuneSource(Protocol):
    """A source of commune codes."""

    async def find(self, nom: str, departement: str, annee: int) -> str | None:
        """Returns the commune's code in the year `annee`, or `None` where no commune had the name, or several.

        Raises `UpstreamError` where the source cannot be asked.
        """


def counted(source: str, code: str | None) -> str | None:
    """Counts the result of a lookup in `COG_LOOKUPS`, and returns it."""
    COG_LOOKUPS.labels(source, "found" if code else "unknown").inc()
    return code

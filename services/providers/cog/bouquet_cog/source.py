"""Interface for sources of commune codes, and the metric that counts look-ups in them."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import Counter

COG_LOOKUPS = Counter(
    "bouquet_cog_lookups_total",
    "Searches for the code of a commune of birth, by source (`packaged` data or `insee`) and by outcome: `found`, "
    "`unknown` (no commune, or several) or `failed`.",
    ["source", "outcome"],
)


class CommuneSource(Protocol):
    """Source of commune codes: this package's data in memory, or INSEE's API."""

    async def find(self, nom: str, departement: str, annee: int) -> str | None:
        """Returns the code of the commune in `departement` named `nom` in the year `annee`; `None` if no commune fits,
        or several do. Raises `UpstreamError` if the source fails."""


def counted(source: str, code: str | None) -> str | None:
    """Counts a look-up of a commune's code in the metric `bouquet_cog_lookups_total`. `source` is where the code was
    looked up, such as `insee`; `code` is `None` if no code was found. Returns `code` unchanged."""
    COG_LOOKUPS.labels(source, "found" if code else "unknown").inc()
    return code

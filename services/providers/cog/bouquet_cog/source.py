"""What a worker asks for the code of a place of birth, whoever knows it."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import Counter

COG_LOOKUPS = Counter(
    "bouquet_cog_lookups_total",
    "Places of birth that were looked up, by outcome: `found`, `unknown` (or ambiguous), `failed`.",
    ["source", "outcome"],
)


class CommuneSource(Protocol):
    async def find(self, nom: str, departement: str, annee: int) -> str | None:
        """The commune's code in the year of birth; `None` where no commune has the name, or several.

        Raises `UpstreamError` where the source cannot be asked.
        """


def counted(source: str, code: str | None) -> str | None:
    COG_LOOKUPS.labels(source, "found" if code else "unknown").inc()
    return code

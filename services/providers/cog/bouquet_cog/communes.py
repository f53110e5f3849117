"""All French communes since 1943 with their codes, held in memory. DATA.md describes the data."""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources
from typing import Self

from bouquet_cog.naming import Named, bare, choose
from bouquet_cog.source import counted


class Communes:
    """A source of commune codes (`CommuneSource`) that searches in memory, without a network.

    Args:
        sections: For each département number, the rows of its communes, in the format that
            `scripts/build_cog.py` writes.
    """

    def __init__(self, sections: dict[str, str]) -> None:
        self._sections = sections

    @classmethod
    @cache
    def packaged(cls) -> Self:
        """Returns the communes in the data file of this package."""
        packed = resources.files("bouquet_cog").joinpath("communes.txt.gz").read_bytes()
        sections = gzip.decompress(packed).decode().split("\n\n")
        return cls(dict(section.split("\n", 1) for section in sections))

    def code(self, nom: str, departement: str, annee: int) -> str | None:
        """Returns the code of the commune in `departement` that had the name `nom` at the beginning of the year
        `annee`, or else at its end. Returns `None` if no commune fits, or several do."""
        # The commune may have been created in between. `departement` may also be a later département of the same
        # commune, since forms list today's départements.
        days = [f"{year:04}-01-01" for year in (annee, annee + 1)]
        section = self._sections.get(departement, "")
        return choose(
            nom,
            *(_names_on(section, day) for day in days),
            is_whole_name=lambda name: self._is_name_of_a_commune(name, days),
        )

    def _is_name_of_a_commune(self, bare_name: str, days: list[str]) -> bool:
        """Returns whether a commune of France had the name `bare_name`, with or without an article, on one of `days`
        (`YYYY-MM-DD`)."""
        sections = [section for section in self._sections.values() if f"{bare_name}\t" in section]
        return any(
            bare(name) == bare_name for section in sections for day in days for name, _ in _names_on(section, day)
        )

    async def find(self, nom: str, departement: str, annee: int) -> str | None:
        """Returns the code of the commune in `departement` named `nom` in the year `annee`; `None` if no commune fits,
        or several do. Counts the look-up in the metric `bouquet_cog_lookups_total`."""
        return counted("packaged", self.code(nom, departement, annee))


def _names_on(section: str, day: str) -> list[Named]:
    """Returns the name and code of each commune of a département on `day` (`YYYY-MM-DD`). Each line of `section` holds
    a name, a code, and the first and last day of their use, separated by tabs."""
    rows = (row.split("\t") for row in section.splitlines())
    return [(name, code) for name, code, first, last in rows if first <= day <= last]

"""Search for commune codes in INSEE's public metadata API (docs/reference/upstreams/cog.md), in one or two calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from bouquet_cog.naming import Named, bare, choose, normalised
from bouquet_cog.source import COG_LOOKUPS, counted
from bouquet_worker import Answer, UpstreamError

CODE_PREFIXES = {"2A": ("2A", "20"), "2B": ("2B", "20"), "976": ("976", "985")}
"""Beginnings of commune codes, present and past, in each département where they have changed. Codes in Corsica (2A and
2B), for example, once began with 20."""
# The former Seine needs no entry, since its codes began with 75, like the codes of Paris now.


class HttpGetter(Protocol):
    """Interface of the HTTP client that `InseeCommunes` uses: only the method `get` of `UpstreamClient`."""

    async def get(self, route: str = "", *, params: Mapping[str, str] = {}) -> Answer: ...


class _Commune(Struct, frozen=True):
    code: str
    intitule: str


class InseeCommunes:
    """Source of commune codes (`CommuneSource`) that asks INSEE's API."""

    def __init__(self, upstream: HttpGetter) -> None:
        self._upstream = upstream

    async def find(self, nom: str, departement: str, annee: int) -> str | None:
        """Returns the code of the commune in `departement` named `nom` in the year `annee`; `None` if no commune fits,
        or several do. Raises `UpstreamError` if INSEE's API fails."""
        # Every look-up is counted in the metric `bouquet_cog_lookups_total`.
        try:
            code = await self._code(nom, departement, annee)
        except UpstreamError:
            COG_LOOKUPS.labels("insee", "failed").inc()
            raise
        return counted("insee", code)

    async def _code(self, nom: str, departement: str, annee: int) -> str | None:
        """Returns the code of the commune in `departement` that had the name `nom` at the beginning of the year
        `annee`, or else at its end. Returns `None` if no commune fits, or several do."""
        # The commune may have been created in between.
        prefixes, whole_names = CODE_PREFIXES.get(departement, (departement,)), set[str]()
        for year in (annee, annee + 1):
            named = await self._named(nom, f"{year:04}-01-01")
            whole_names |= {bare(name) for name, _ in named}
            inside = [(name, code) for name, code in named if code.startswith(prefixes)]
            if code := choose(nom, inside, is_whole_name=whole_names.__contains__):
                return code
        return None

    async def _named(self, nom: str, day: str) -> list[Named]:
        params = {"date": day, "filtreNom": nom, "com": "false"}
        answer = await self._upstream.get("/geo/communes", params=params)
        match answer.status:
            case 200:
                communes = answer.decode(list[_Commune])
            case 404:
                communes = []
            case 500:
                raise UpstreamError("upstream_internal")
            case _:
                raise UpstreamError("upstream_unknown")
        return [(normalised(commune.intitule), commune.code) for commune in communes]

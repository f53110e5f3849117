"""Search for the codes of communes in INSEE's public metadata API (docs/reference/upstreams/cog.md). A search takes one
call for each year in which it looks for the commune: one or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from bouquet_cog.naming import Named, bare, choose, normalised
from bouquet_cog.source import COG_LOOKUPS, counted
from bouquet_worker import Answer, UpstreamError

FORMERLY = {"2A": ("2A", "20"), "2B": ("2B", "20"), "976": ("976", "985")}
"""For each département whose communes' codes have changed, the first characters of these codes, present and former. In
Corsica (2A and 2B), for instance, codes formerly began with 20. The former Seine needs no entry, since its codes began
with 75, like the codes of Paris now."""


class HttpGetter(Protocol):
    """The part of `UpstreamClient`, the workers' HTTP client, that `InseeCommunes` needs."""

    async def get(self, route: str = "", *, params: Mapping[str, str] = {}) -> Answer: ...


class _Commune(Struct, frozen=True):
    """A commune in INSEE's JSON."""

    code: str
    intitule: str


class InseeCommunes:
    """A source of commune codes (`CommuneSource`) that asks INSEE's API."""

    def __init__(self, upstream: HttpGetter) -> None:
        self._upstream = upstream

    async def find(self, nom: str, departement: str, annee: int) -> str | None:
        """Returns the code of the commune called `nom`, or `None`. Counts the result or the error in `COG_LOOKUPS`.
        Raises `UpstreamError` if INSEE's API fails."""
        try:
            code = await self._code(nom, departement, annee)
        except UpstreamError:
            COG_LOOKUPS.labels("insee", "failed").inc()
            raise
        return counted("insee", code)

    async def _code(self, nom: str, departement: str, annee: int) -> str | None:
        """Returns the code of the commune called `nom` on 1 January of the year `annee`. If no code is found, 1 January
        of the next year is tried, since the commune may have been created in between. Returns `None` if no commune
        fits, or if several do."""
        numbers, borne = FORMERLY.get(departement, (departement,)), set[str]()
        for year in (annee, annee + 1):
            named = await self._named(nom, f"{year:04}-01-01")
            borne |= {bare(name) for name, _ in named}
            inside = [(name, code) for name, code in named if code.startswith(numbers)]
            if code := choose(nom, inside, is_borne=borne.__contains__):
                return code
        return None

    async def _named(self, nom: str, day: str) -> list[Named]:
        """Returns the communes of the whole country whose names contained `nom` on the day `day`."""
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

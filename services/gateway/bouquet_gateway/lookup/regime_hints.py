"""Which fund has last known a person, so that it is asked first (docs/reference/upstreams/regime.md §8)."""

from __future__ import annotations

from bouquet_gateway.lookup.regime import folded
from bouquet_gateway.stores.cache import Cache, key_of
from bouquet_mesh.secret import Secret
from bouquet_proto.identity import Identite
from bouquet_proto.quotient_familial import REGIMES

HINT_S = 30 * 24 * 3600
"""How long a regime is remembered at most."""


class RegimeHints:
    """Persons are keyed by an HMAC of what identifies them."""

    def __init__(self, cache: Cache, secret: Secret) -> None:
        self._cache = cache
        self._secret = secret

    def key(self, who: Identite) -> str:
        return key_of(self._secret, "regime", *traits_of(who))

    async def get(self, key: str) -> str:
        """Returns the provider; empty where none is remembered."""
        stored = await self._cache.get(key)
        hint = stored.value.decode() if stored else ""
        return hint if hint in (REGIMES.first, REGIMES.second) else ""

    async def set(self, key: str, provider: str) -> None:
        await self._cache.set(key, provider.encode(), HINT_S)

    async def forget(self, key: str) -> None:
        await self._cache.delete(key)


def traits_of(who: Identite) -> tuple[str, ...]:
    """Name, first first-name, birth date, sex, birth place: the same however the person's names are spelt."""
    return (
        folded(who.nom_naissance),
        folded(who.prenoms[0]) if who.prenoms else "",
        who.date_naissance(),
        who.sexe_etat_civil or "",
        who.code_cog_insee_pays_naissance or "",
        who.code_cog_insee_commune_naissance or folded(who.nom_commune_naissance or ""),
    )

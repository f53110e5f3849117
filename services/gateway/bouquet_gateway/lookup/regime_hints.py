"""Memory of which provider, CAF or MSA, last found a person. The gateway asks this provider first at the next lookup
about the person (docs/reference/upstreams/regime.md §8)."""

from __future__ import annotations

from bouquet_gateway.lookup.regime import fold_name
from bouquet_gateway.stores.cache import Cache, key_of
from bouquet_mesh.secret import Secret
from bouquet_proto.identity import Identite
from bouquet_proto.quotient_familial import REGIMES

HINT_S = 30 * 24 * 3600


class RegimeHints:
    """Store that remembers, for each person, which provider (CAF or MSA) last found the person. An entry is kept in the
    cache for at most 30 days, under a keyed hash of the person's identity."""

    def __init__(self, cache: Cache, secret: Secret) -> None:
        self._cache = cache
        self._secret = secret

    def key(self, person: Identite) -> str:
        return key_of(self._secret, "regime", *identity_traits(person))

    async def get(self, key: str) -> str:
        stored = await self._cache.get(key)
        hint = stored.value.decode() if stored else ""
        return hint if hint in (REGIMES.asked_first, REGIMES.asked_second) else ""

    async def set(self, key: str, provider: str) -> None:
        await self._cache.set(key, provider.encode(), HINT_S)

    async def forget(self, key: str) -> None:
        await self._cache.delete(key)


def identity_traits(person: Identite) -> tuple[str, ...]:
    """Returns the values, such as name and birth date, by which `RegimeHints` recognizes a person. Names are in upper
    case, without accents and punctuation."""
    return (
        fold_name(person.nom_naissance),
        fold_name(person.prenoms[0]) if person.prenoms else "",
        person.date_naissance(),
        person.sexe_etat_civil or "",
        person.code_cog_insee_pays_naissance or "",
        person.code_cog_insee_commune_naissance or fold_name(person.nom_commune_naissance or ""),
    )

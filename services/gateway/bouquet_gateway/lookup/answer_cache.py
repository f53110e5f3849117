"""Cache of providers' answers. An answer is kept for as long as its operation allows (step 6 in
docs/architecture.md)."""

from __future__ import annotations

from datetime import date

from msgspec import Raw

from bouquet_gateway import metrics
from bouquet_gateway.lookup.parse import ParsedQuery
from bouquet_gateway.stores.cache import Cache, CachedValue, key_of
from bouquet_mesh.secret import Secret
from bouquet_proto.offer import Operation


class AnswerCache:
    """Cache of providers' answers."""

    # The key of an answer is made of the operation, the person's identity, the parameters and the current month.

    def __init__(self, cache: Cache, secret: Secret) -> None:
        self._cache = cache
        self._secret = secret

    def key(self, operation: Operation, parsed: ParsedQuery, today: date) -> str:
        """Returns the key under which the answer to a lookup is cached."""
        # The key includes the current month, because a lookup without a month is about the current one.
        return key_of(self._secret, "data", operation.id, parsed, today.isoformat()[:7])

    async def get(self, key: str) -> CachedValue | None:
        """Returns the cached answer; `None` if there is none, or if the key is empty."""
        # A lookup that must not be answered from the cache has an empty key.
        stored = await self._cache.get(key) if key else None
        metrics.cache_lookups("bypassed" if not key else "hit" if stored else "miss").inc()
        return stored

    async def set(self, key: str, data: Raw, ttl_s: int) -> None:
        """Caches an answer for `ttl_s` seconds. Does nothing if the key is empty."""
        if key:
            await self._cache.set(key, bytes(data), ttl_s)

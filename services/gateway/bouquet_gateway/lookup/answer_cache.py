"""Hop 6: answers of providers, kept for as long as their operation allows."""

from __future__ import annotations

from datetime import date

import msgspec
from msgspec import Raw

from bouquet_gateway import metrics
from bouquet_gateway.lookup.parse import Parsed
from bouquet_gateway.stores.cache import Cache, Stored, key_of
from bouquet_mesh.secret import Secret
from bouquet_proto.offer import Operation


class AnswerCache:
    def __init__(self, cache: Cache, secret: Secret) -> None:
        self._cache = cache
        self._secret = secret

    def key(self, operation: Operation, parsed: Parsed, today: date) -> str:
        """The month is always part of it: a quotient asked without a month is this month's, and must not outlive it."""
        person = msgspec.json.encode([parsed.identity, parsed.parameters], order="sorted")
        return key_of(self._secret, "data", operation.id, person.decode(), today.isoformat()[:7])

    async def get(self, key: str) -> Stored | None:
        """The empty key is that of an answer which may not come from the cache."""
        stored = await self._cache.get(key) if key else None
        metrics.cache_lookups("bypassed" if not key else "hit" if stored else "miss").inc()
        return stored

    async def set(self, key: str, data: Raw, ttl_s: int) -> None:
        """Keeps nothing under the empty key."""
        if key:
            await self._cache.set(key, bytes(data), ttl_s)

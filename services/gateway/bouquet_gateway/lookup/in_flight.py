"""One caller asks one question once at a time (docs/reference/contract.md §2.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.stores.cache import Cache, key_of
from bouquet_mesh.secret import Secret

MARGIN_S = 1.0
"""How long after the call's deadline its marker ends, if the process that put it died with the call."""


class InFlight:
    def __init__(self, cache: Cache, secret: Secret, deadline_s: float) -> None:
        self._cache = cache
        self._secret = secret
        self._lives_s = deadline_s + MARGIN_S

    @asynccontextmanager
    async def alone(self, path: str, raw_query: str, digest: str) -> AsyncIterator[None]:
        """Raises `Problem` while the caller of `digest` asks the same. The marker is put in one step, and taken away
        whatever became of putting it."""
        canonical_query = "&".join(sorted(raw_query.split("&")))
        marker = key_of(self._secret, "in flight", path, canonical_query, digest)
        is_ours = True  # until it is known to be another call's
        try:
            is_ours = await self._cache.add(marker, self._lives_s)
            if not is_ours:
                raise Problem("already_in_flight")
            yield
        finally:
            if is_ours:
                await self._cache.delete(marker)

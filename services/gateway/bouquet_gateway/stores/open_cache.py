"""Choice of the cache, in memory or on redis, from the setting `CACHE_URL`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bouquet_gateway.stores.cache import Cache
from bouquet_gateway.stores.cache_memory import open_memory_cache
from bouquet_mesh.secret import Secret
from bouquet_proto.names import EMBEDDED


@asynccontextmanager
async def open_cache(
    url: Secret, secret: Secret, max_items: int = 50_000, max_bytes: int = 64_000_000
) -> AsyncIterator[Cache]:
    """Opens the cache at `url`: `memory:` for this process's memory, `redis(s)://…` for redis. `max_items` and
    `max_bytes` limit only a cache in memory."""
    if url.reveal() == EMBEDDED:
        async with open_memory_cache(max_items, max_bytes) as memory:
            yield memory
    else:
        # Imported here: aiocache and redis take megabytes in every process that loads them.
        from bouquet_gateway.stores.cache_redis import open_redis_cache

        async with open_redis_cache(url, secret) as shared:
            yield shared

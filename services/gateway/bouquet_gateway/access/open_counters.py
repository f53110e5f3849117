"""Choice, by the setting `CACHE_URL`, of the store that counts calls for rate limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bouquet_gateway.access.rate_limit import Counters, MemoryCounters
from bouquet_mesh.secret import Secret
from bouquet_proto.names import EMBEDDED


@asynccontextmanager
async def open_counters(url: Secret) -> AsyncIterator[Counters]:
    """Opens the store that counts calls: in memory for `memory:`, on a redis that gateways share for `redis(s)://…`."""
    if url.reveal() == EMBEDDED:
        yield MemoryCounters()
    else:
        # Imported here: the redis client takes megabytes in every process that loads it.
        from bouquet_gateway.access.rate_limit_redis import open_redis_counters

        async with open_redis_counters(url) as shared:
            yield shared

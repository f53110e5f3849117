"""Counts of calls for rate limits, kept on a redis server that all gateways share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from bouquet_gateway.access.rate_limit import MemoryCounters, RateWindow
from bouquet_gateway.stores.optional import OptionalStore
from bouquet_gateway.stores.redis_client import open_redis
from bouquet_mesh.secret import Secret

# Not by INCRBY, to which the redis users of running deployments have no right.
COUNT_SCRIPT = """
local count
for _ = 1, tonumber(ARGV[2]) do count = redis.call('INCR', KEYS[1]) end
if count == tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count
"""
"""Lua script for redis that adds a number of calls to a counter. A new counter also gets its expiry, in the same
step."""


class RedisCounters:
    """Counts of calls for rate limits, kept on a redis server that all gateway processes share. While redis does not
    answer, each process counts for itself."""

    def __init__(self, client: Redis) -> None:
        self._count = client.register_script(COUNT_SCRIPT)
        self._store = OptionalStore("counters")
        self._local = MemoryCounters()

    async def increment(self, key: str, window: RateWindow, cost: int = 1) -> int:
        count = await self._store.attempt(0, self._increment, key, window, cost)
        return count or await self._local.increment(key, window, cost)

    async def _increment(self, key: str, window: RateWindow, cost: int) -> int:
        """Adds `cost` to the counter of `key` in redis. The counter expires after twice the length of the window."""
        # The clocks of gateways may differ.
        name = f"bouquet:pace:{window.period_s}:{window.number}:{key}"
        return int(await self._count(keys=[name], args=[2 * window.period_s * 1000, cost]))


@asynccontextmanager
async def open_redis_counters(url: Secret) -> AsyncIterator[RedisCounters]:
    """Opens counters on the redis server at `url`, and closes the connection at the end of the context."""
    async with open_redis(url) as client:
        yield RedisCounters(client)

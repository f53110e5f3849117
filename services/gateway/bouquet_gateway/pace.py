"""Rate limits: fixed windows aligned on the epoch, counted per token (http-contract §4)."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from msgspec import Struct
from redis.asyncio import Redis

from bouquet_gateway.besteffort import BestEffort, open_redis
from bouquet_proto.names import EMBEDDED
from bouquet_proto.settings import Secret

MINUTE_S = 60


class Counters(Protocol):
    async def increment(self, key: str, ttl_s: int) -> int:
        """The count of `key`, this one included. After `ttl_s` it may be forgotten."""


class Verdict(Struct, frozen=True):
    limit: int
    remaining: int
    reset_at: int
    """When the window ends, in seconds since the epoch."""
    retry_after_s: int
    """Zero when the call is allowed."""
    allowed: bool

    def headers(self) -> dict[str, str]:
        headers = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_at),
        }
        return headers if self.allowed else headers | {"Retry-After": str(self.retry_after_s)}


class Pace:
    """`limit` calls a window pass, the next is refused."""

    def __init__(
        self, counters: Counters, *, limit: int = 20, period_s: int = 1, clock: Callable[[], float] = time.time
    ) -> None:
        self._counters = counters
        self._limit = limit
        self._period_s = period_s
        self._clock = clock

    async def hit(self, key: str, per_minute: int = 0) -> Verdict:
        """Counts a call. One without a key passes uncounted.

        `per_minute` is a limit of the caller's own, besides; the verdict is then that of it, unless the other refuses.
        """
        verdict = await self._count(key, self._limit, self._period_s)
        if not per_minute:
            return verdict
        own = await self._count(key and f"{key}:minute", per_minute, MINUTE_S)
        return own if verdict.allowed else verdict

    async def _count(self, key: str, limit: int, period_s: int) -> Verdict:
        now = self._clock()
        window = int(now // period_s)
        count = await self._counters.increment(f"{key}:{window}", 2 * period_s) if key else 0
        return judge(count, limit, (window + 1) * period_s, now)


def judge(count: int, limit: int, reset_at: int, now: float) -> Verdict:
    allowed = count <= limit
    return Verdict(
        limit=limit,
        remaining=max(limit - count, 0),
        reset_at=reset_at,
        retry_after_s=0 if allowed else math.ceil(reset_at - now),
        allowed=allowed,
    )


class MemoryCounters:
    """Of one process. Keys name their window, so the first of the dict is always the stalest."""

    def __init__(self, max_keys: int = 10_000) -> None:
        self._max_keys = max_keys
        self._counts: dict[str, int] = {}

    async def increment(self, key: str, ttl_s: int) -> int:
        self._counts[key] = count = self._counts.get(key, 0) + 1
        if len(self._counts) > self._max_keys:
            del self._counts[next(iter(self._counts))]
        return count


class RedisCounters:
    """Shared by every process; each counts for itself while redis is away."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._besteffort = BestEffort("counters")
        self._own = MemoryCounters()

    async def increment(self, key: str, ttl_s: int) -> int:
        count = await self._besteffort.attempt(0, self._increment, f"bouquet:pace:{key}", ttl_s)
        return count or await self._own.increment(key, ttl_s)

    async def _increment(self, key: str, ttl_s: int) -> int:
        async with self._client.pipeline(transaction=True) as both:
            both.incr(key)
            both.pexpire(key, ttl_s * 1000)
            count, _ = await both.execute()
        return int(count)


@asynccontextmanager
async def open_counters(url: Secret) -> AsyncIterator[Counters]:
    """`memory:`, or `redis(s)://…`."""
    if url.reveal() == EMBEDDED:
        yield MemoryCounters()
    else:
        async with open_redis(url) as client:
            yield RedisCounters(client)

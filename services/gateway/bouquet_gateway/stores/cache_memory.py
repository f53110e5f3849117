"""Cache in the memory of one process: a dict with limits on its items and bytes."""
# aiocache's own memory cache is not used: it has no limits, and a timer for each entry.

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from msgspec import Struct

from bouquet_gateway.stores.cache import CachedValue
from bouquet_mesh.tasks import alongside

ENTRY_BYTES = 350
"""Approximate memory, in bytes, that a cached entry takes in addition to its value."""
SWEEP_S = 30.0
"""Seconds between two removals of expired entries."""
# A removal takes a few milliseconds for 50,000 entries.


class _Entry(Struct, frozen=True, gc=False):
    """Cached value with its time of expiry."""

    # Tens of thousands of timers would slow the garbage collector down.

    value: bytes
    expires_at: float
    """Time at which the entry expires, in seconds of the monotonic clock."""


class MemoryCache:
    """Cache in the memory of one process. When a limit on items or bytes is reached, the oldest entries are dropped."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.used_bytes = 0
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def get(self, key: str) -> CachedValue | None:
        entry = self._entries.get(key)
        left_s = entry.expires_at - time.monotonic() if entry else 0.0
        return CachedValue(entry.value, int(left_s)) if entry and left_s > 0 else None

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        self._drop(key)
        size = _size(value)
        if size > self._max_bytes:
            return
        while len(self._entries) >= self._max_items or self.used_bytes + size > self._max_bytes:
            self._drop(next(iter(self._entries)))
        self._entries[key] = _Entry(value, time.monotonic() + ttl_s)
        self.used_bytes += size

    async def add(self, key: str, ttl_s: float) -> bool:
        if await self.get(key):
            return False
        await self.set(key, b"", ttl_s)
        return True

    async def delete(self, key: str) -> None:
        self._drop(key)

    async def sweep(self) -> NoReturn:
        """Removes expired entries every `SWEEP_S` seconds, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            for key in [key for key, entry in self._entries.items() if entry.expires_at <= now]:
                self._drop(key)

    def _drop(self, key: str) -> None:
        if entry := self._entries.pop(key, None):
            self.used_bytes -= _size(entry.value)


def _size(value: bytes) -> int:
    return ENTRY_BYTES + len(value)


@asynccontextmanager
async def open_memory_cache(max_items: int, max_bytes: int) -> AsyncIterator[MemoryCache]:
    cache = MemoryCache(max_items, max_bytes)
    async with alongside(cache.sweep()):
        yield cache

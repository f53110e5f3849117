"""The cache of one process: a dict with room for so much.

aiocache's has no bound, and a timer for each entry.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from msgspec import Struct

from bouquet_gateway.stores.cache import Stored
from bouquet_mesh.tasks import alongside

ENTRY_BYTES = 350
"""Of an entry's key and place, about."""
SWEEP_S = 30.0
"""How long an entry that is over may still take its room. A sweep of 50,000 takes a few milliseconds."""


class _Entry(Struct, frozen=True, gc=False):
    """No timer of its own: at tens of thousands, they and what they hold were most of what the collector walked."""

    value: bytes
    expires_at: float
    """By the monotonic clock: who sets the time neither prolongs an entry nor ends it."""


class MemoryCache:
    """Makes room by dropping what was written first."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.used_bytes = 0
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def get(self, key: str) -> Stored | None:
        entry = self._entries.get(key)
        left_s = entry.expires_at - time.monotonic() if entry else 0.0
        return Stored(entry.value, int(left_s)) if entry and left_s > 0 else None

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        self._drop(key)
        left_bytes = self._max_bytes - _weight(value)
        if left_bytes < 0:
            return
        while len(self._entries) >= self._max_items or self.used_bytes > left_bytes:
            self._drop(next(iter(self._entries)))
        self._entries[key] = _Entry(value, time.monotonic() + ttl_s)
        self.used_bytes += _weight(value)

    async def add(self, key: str, ttl_s: float) -> bool:
        if await self.get(key):
            return False
        await self.set(key, b"", ttl_s)
        return True

    async def delete(self, key: str) -> None:
        self._drop(key)

    async def sweep(self) -> NoReturn:
        """Now and then drops what is over."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            for key in [key for key, entry in self._entries.items() if entry.expires_at <= now]:
                self._drop(key)

    def _drop(self, key: str) -> None:
        if entry := self._entries.pop(key, None):
            self.used_bytes -= _weight(entry.value)


def _weight(value: bytes) -> int:
    return ENTRY_BYTES + len(value)


@asynccontextmanager
async def open_memory_cache(max_items: int, max_bytes: int) -> AsyncIterator[MemoryCache]:
    cache = MemoryCache(max_items, max_bytes)
    async with alongside(cache.sweep()):
        yield cache

"""What was answered, kept for a while: in this process (`cache_memory.py`), or on a redis that gateways share
(`cache_redis.py`). One behaviour, whoever keeps it."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
from msgspec import Struct

from bouquet_mesh.secret import Secret
from bouquet_proto.names import EMBEDDED


class Stored(Struct, frozen=True):
    value: bytes
    expires_in_s: int
    """Whole seconds left, never more than there are."""


class Cache(Protocol):
    """Never raises for its store: what cannot be read is a miss, what cannot be written is forgotten."""

    async def get(self, key: str) -> Stored | None: ...

    async def set(self, key: str, value: bytes, ttl_s: float) -> None: ...

    async def add(self, key: str, ttl_s: float) -> bool:
        """Marks a key, in one step; False when it was marked. True when nobody can know."""

    async def delete(self, key: str) -> None: ...


def key_of(secret: Secret, *parts: str) -> str:
    """A keyed hash, so that whoever reads the store learns no name and can try none."""
    return hmac.digest(secret.reveal().encode(), msgspec.json.encode(parts), "sha256").hex()


@asynccontextmanager
async def open_cache(
    url: Secret, secret: Secret, max_items: int = 50_000, max_bytes: int = 64_000_000
) -> AsyncIterator[Cache]:
    """`memory:`, of `max_items` and `max_bytes` at most; or `redis(s)://…`, whose own `maxmemory` is the limit."""
    if url.reveal() == EMBEDDED:
        from bouquet_gateway.stores.cache_memory import open_memory_cache

        async with open_memory_cache(max_items, max_bytes) as memory:
            yield memory
    else:
        from bouquet_gateway.stores.cache_redis import open_redis_cache

        async with open_redis_cache(url, secret) as shared:
            yield shared

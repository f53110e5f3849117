"""Cache on a redis that gateways share, through the library aiocache. Values are encrypted. While redis does not
answer, the cache counts as empty."""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import aiocache  # type: ignore[import-untyped]
import msgspec
from aiocache.base import BaseCache  # type: ignore[import-untyped]
from aiocache.serializers import BaseSerializer  # type: ignore[import-untyped]
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from redis.asyncio import Redis

from bouquet_gateway.stores.cache import CachedValue
from bouquet_gateway.stores.optional import PAUSE_S, OptionalStore
from bouquet_gateway.stores.redis_client import open_redis
from bouquet_mesh.secret import Secret
from bouquet_mesh.tasks import alongside

NAMESPACE = "bouquet:cache"
NONCE_BYTES = 12
MAX_PENDING_DELETIONS = 10_000
"""Largest number of deletions that wait until redis confirms them. Above it, the oldest deletion is given up."""
NO_TIMEOUT = 0
"""Value of aiocache's parameter `timeout` that turns off aiocache's own time limit."""
# For its own timeout, aiocache would create a task at each call.


class _Entry(Struct, frozen=True, array_like=True):
    """Cached value together with its own key, both encrypted. An entry copied to another key is ignored, so that nobody
    gets another person's data."""

    key: str
    expires_at: float
    value: bytes


class RedisCache:
    """Cache on redis. If a deletion fails, it is repeated until redis confirms it."""

    # An earlier write that seemed to fail may still take effect.

    def __init__(self, store: BaseCache) -> None:
        self._store = store
        self._attempt = OptionalStore("cache").attempt
        self._pending_deletions: dict[str, None] = {}
        """Keys whose deletion redis has not confirmed yet, oldest first."""

    async def get(self, key: str) -> CachedValue | None:
        entry: _Entry | None = await self._attempt(None, self._store.get, key)
        if entry is None or entry.key != key:
            return None
        left_s = entry.expires_at - time.time()
        return CachedValue(entry.value, int(left_s)) if left_s > 0 else None

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._attempt(None, self._store.set, key, self._entry(key, value, ttl_s), ttl=float(ttl_s))

    async def add(self, key: str, ttl_s: float) -> bool:
        await self._delete_pending()  # else a mark that should be gone would make this one fail
        return await self._attempt(True, self._add, key, ttl_s)

    async def delete(self, key: str) -> None:
        self._pending_deletions[key] = None
        if len(self._pending_deletions) > MAX_PENDING_DELETIONS:
            del self._pending_deletions[next(iter(self._pending_deletions))]
        await self._delete_pending()

    async def retry_deletions(self) -> NoReturn:
        """Repeats the deletions that redis has not confirmed, every `PAUSE_S` seconds, until cancelled."""
        while True:
            await asyncio.sleep(PAUSE_S)
            await self._delete_pending()

    async def _delete_pending(self) -> None:
        if not self._pending_deletions:
            return
        keys, self._pending_deletions = self._pending_deletions, {}
        deleted = False
        try:
            deleted = await self._attempt(False, self._delete, tuple(keys))
        finally:
            if not deleted:
                self._pending_deletions = keys | self._pending_deletions

    async def _delete(self, keys: tuple[str, ...]) -> bool:
        await self._store.client.delete(*(f"{NAMESPACE}:{key}" for key in keys))
        return True

    async def _add(self, key: str, ttl_s: float) -> bool:
        try:
            await self._store.add(key, self._entry(key, b"", ttl_s), ttl=float(ttl_s))
        except ValueError:
            return False
        return True

    def _entry(self, key: str, value: bytes, ttl_s: float) -> _Entry:
        return _Entry(key, time.time() + ttl_s, value)


class _Store(aiocache.RedisCache):  # type: ignore[misc]
    """Redis store of aiocache that uses the gateway's redis client."""

    # The client that aiocache would create supports neither TLS nor a user name in the URL.

    def __init__(self, client: Redis, serializer: BaseSerializer) -> None:
        super().__init__(serializer=serializer, namespace=NAMESPACE, timeout=NO_TIMEOUT)
        self.client = client


class _Sealed(BaseSerializer):  # type: ignore[misc]
    """Serializer that encrypts entries by AES-256-GCM. An entry that cannot be decrypted counts as missing."""

    DEFAULT_ENCODING = None

    def __init__(self, secret: Secret) -> None:
        super().__init__()
        self._aes = AESGCM(hmac.digest(secret.reveal().encode(), b"seal", "sha256"))

    def dumps(self, entry: _Entry) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aes.encrypt(nonce, msgspec.msgpack.encode(entry), None)

    def loads(self, sealed: bytes | None) -> _Entry | None:
        if sealed is None:
            return None
        try:
            opened = self._aes.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
            return msgspec.msgpack.decode(opened, type=_Entry)
        except (InvalidTag, ValueError):
            return None


@asynccontextmanager
async def open_redis_cache(url: Secret, secret: Secret) -> AsyncIterator[RedisCache]:
    """Connects to redis and yields the cache; closes the connection at the end of the context. Cached values are
    encrypted with a key that is derived from `secret`."""
    async with open_redis(url) as client:
        cache = RedisCache(_Store(client, _Sealed(secret)))
        async with alongside(cache.retry_deletions()):
            yield cache

"""The cache that gateways share, through aiocache: a redis, which holds sealed values only and may be away."""

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

from bouquet_gateway.stores.cache import Stored
from bouquet_gateway.stores.optional import PAUSE_S, OptionalStore, open_redis
from bouquet_mesh.secret import Secret
from bouquet_mesh.tasks import alongside

NAMESPACE = "bouquet:cache"
NONCE_BYTES = 12
MAX_TO_DELETE = 10_000
"""More than the calls of some seconds; each ends by itself too."""
NO_TIMEOUT = 0  # of aiocache's own, which costs a task a call


class _Entry(Struct, frozen=True, array_like=True):
    """The key stands inside the seal: an entry moved under another key is nobody's."""

    key: str
    expires_at: float
    value: bytes


class RedisCache:
    """What is to be deleted is deleted, however long the store is silent: it may do then what it was asked before."""

    def __init__(self, store: BaseCache) -> None:
        self._store = store
        self._attempt = OptionalStore("cache").attempt
        self._to_delete: dict[str, None] = {}
        """Keys, oldest first."""

    async def get(self, key: str) -> Stored | None:
        entry: _Entry | None = await self._attempt(None, self._store.get, key)
        if entry is None or entry.key != key:
            return None
        left_s = entry.expires_at - time.time()
        return Stored(entry.value, int(left_s)) if left_s > 0 else None

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._attempt(None, self._store.set, key, self._entry(key, value, ttl_s), ttl=float(ttl_s))

    async def add(self, key: str, ttl_s: float) -> bool:
        await self._catch_up()  # or a mark that is over would refuse this one
        return await self._attempt(True, self._add, key, ttl_s)

    async def delete(self, key: str) -> None:
        self._to_delete[key] = None
        if len(self._to_delete) > MAX_TO_DELETE:
            del self._to_delete[next(iter(self._to_delete))]
        await self._catch_up()

    async def keep_up(self) -> NoReturn:
        """Now and then deletes what could not be deleted, for those that share the store and hear of it nowhere else.
        Never ends by itself."""
        while True:
            await asyncio.sleep(PAUSE_S)
            await self._catch_up()

    async def _catch_up(self) -> None:
        if not self._to_delete:
            return
        keys, self._to_delete = self._to_delete, {}
        deleted = False
        try:
            deleted = await self._attempt(False, self._delete, tuple(keys))
        finally:
            if not deleted:
                self._to_delete = keys | self._to_delete

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
    """aiocache reads no URL with TLS or a user in it: the client is ours."""

    def __init__(self, client: Redis, serializer: BaseSerializer) -> None:
        super().__init__(serializer=serializer, namespace=NAMESPACE, timeout=NO_TIMEOUT)
        self.client = client


class _Sealed(BaseSerializer):  # type: ignore[misc]
    """AES-256-GCM with a random nonce. What does not open (another secret, a foreign hand) is not there."""

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
    async with open_redis(url) as client:
        cache = RedisCache(_Store(client, _Sealed(secret)))
        async with alongside(cache.keep_up()):
            yield cache

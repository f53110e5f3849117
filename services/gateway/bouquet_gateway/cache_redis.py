"""The cache that gateways share: a redis, which holds sealed values only and may be away."""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from redis.asyncio import Redis

from bouquet_gateway.besteffort import BestEffort, open_redis
from bouquet_gateway.cache import Stored
from bouquet_proto.settings import Secret

NONCE_BYTES = 12


class _Entry(Struct, frozen=True, array_like=True):
    """The key stands inside the seal: an entry moved under another key is nobody's."""

    key: str
    expires_at: float
    value: bytes


class RedisCache:
    def __init__(self, client: Redis, secret: Secret, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._seal = _Seal(secret)
        self._clock = clock
        self._attempt = BestEffort("cache").attempt

    async def get(self, key: str) -> Stored | None:
        sealed = await self._attempt(None, self._client.get, _name(key))
        entry = self._seal.open(sealed) if isinstance(sealed, bytes) else None
        if entry is None or entry.key != key:
            return None
        left_s = entry.expires_at - self._clock()
        return Stored(entry.value, int(left_s)) if left_s > 0 else None

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._attempt(None, self._client.set, _name(key), self._sealed(key, value, ttl_s), px=_ms(ttl_s))

    async def add(self, key: str, ttl_s: float) -> bool:
        sealed = self._sealed(key, b"", ttl_s)
        return bool(await self._attempt(True, self._client.set, _name(key), sealed, px=_ms(ttl_s), nx=True))

    async def delete(self, key: str) -> None:
        await self._attempt(None, self._client.delete, _name(key))

    def _sealed(self, key: str, value: bytes, ttl_s: float) -> bytes:
        return self._seal.close(_Entry(key, self._clock() + ttl_s, value))


class _Seal:
    """AES-256-GCM with a random nonce. What does not open (another secret, a foreign hand) is not there."""

    def __init__(self, secret: Secret) -> None:
        self._aes = AESGCM(hmac.digest(secret.reveal().encode(), b"seal", "sha256"))

    def close(self, entry: _Entry) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aes.encrypt(nonce, msgspec.msgpack.encode(entry), None)

    def open(self, sealed: bytes) -> _Entry | None:
        try:
            opened = self._aes.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
            return msgspec.msgpack.decode(opened, type=_Entry)
        except (InvalidTag, ValueError):
            return None


def _name(key: str) -> str:
    return f"bouquet:cache:{key}"


def _ms(ttl_s: float) -> int:
    return max(1, int(ttl_s * 1000))


@asynccontextmanager
async def open_redis_cache(url: Secret, secret: Secret) -> AsyncIterator[RedisCache]:
    async with open_redis(url) as client:
        yield RedisCache(client, secret)

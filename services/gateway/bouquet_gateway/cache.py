"""The cache, and the only file that knows aiocache. In memory by default; shared, it holds sealed values only."""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

import msgspec
from aiocache import RedisCache, SimpleMemoryCache  # type: ignore[import-untyped]
from aiocache.base import BaseCache  # type: ignore[import-untyped]
from aiocache.serializers import BaseSerializer  # type: ignore[import-untyped]
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from bouquet_gateway.besteffort import BestEffort, open_redis
from bouquet_proto.names import EMBEDDED
from bouquet_proto.settings import Secret

P = ParamSpec("P")
T = TypeVar("T")

NONCE_BYTES = 12
ENTRY_BYTES = 1000
"""Of an entry's key, timer and place, about."""
NO_TIMEOUT = 0  # of aiocache's own, which costs a task a call


class Stored(Struct, frozen=True):
    value: bytes
    expires_in_s: int
    """Whole seconds left, never more than there are."""


class _Entry(Struct, frozen=True, array_like=True):
    """The key stands inside the seal: an entry moved under another key is nobody's."""

    key: str
    expires_at: float
    value: bytes


def key_of(secret: Secret, *parts: str) -> str:
    """A keyed hash, so that whoever reads the store learns no name and can try none."""
    return _hmac(secret, msgspec.json.encode(parts)).hex()


class Cache:
    """Never raises for its store: what cannot be read is a miss, what cannot be written is forgotten."""

    def __init__(self, backend: BaseCache, clock: Callable[[], float] = time.time) -> None:
        self._backend = backend
        self._clock = clock
        self._attempt = _at_once if isinstance(backend, _Memory) else BestEffort("cache").attempt

    async def get(self, key: str) -> Stored | None:
        entry: _Entry | None = await self._attempt(None, self._backend.get, key)
        if entry is None or entry.key != key:
            return None
        left_s = entry.expires_at - self._clock()
        return Stored(entry.value, int(left_s)) if left_s > 0 else None

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._attempt(None, self._backend.set, key, self._entry(key, value, ttl_s), ttl=float(ttl_s))

    async def add(self, key: str, ttl_s: float) -> bool:
        """Marks a key, in one step; False when it was marked. True when nobody can know."""
        return await self._attempt(True, self._add, key, ttl_s)

    async def delete(self, key: str) -> None:
        await self._attempt(None, self._backend.delete, key)

    async def _add(self, key: str, ttl_s: float) -> bool:
        try:
            await self._backend.add(key, self._entry(key, b"", ttl_s), ttl=float(ttl_s))
        except ValueError:
            return False
        return True

    def _entry(self, key: str, value: bytes, ttl_s: float) -> _Entry:
        return _Entry(key, self._clock() + ttl_s, value)


@asynccontextmanager
async def open_cache(
    url: Secret, secret: Secret, max_items: int = 50_000, max_bytes: int = 64_000_000
) -> AsyncIterator[Cache]:
    """`memory:`, of `max_items` and `max_bytes` at most; or `redis(s)://…`, whose own `maxmemory` is the limit."""
    if url.reveal() == EMBEDDED:
        backend: BaseCache = _Memory(max_items, max_bytes)
    else:
        backend = _Redis(url, secret)
    async with backend:
        yield Cache(backend)


async def _at_once(otherwise: T, work: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """A store in the process is never away, nor late."""
    return await work(*args, **kwargs)


class _Memory(SimpleMemoryCache):  # type: ignore[misc]
    """Makes room by dropping what was written first."""

    # aiocache's public verbs read the environment and look for plugins each time: dearer than all that a dict does.
    get = SimpleMemoryCache._get
    add = SimpleMemoryCache._add
    delete = SimpleMemoryCache._delete

    def __init__(self, max_items: int, max_bytes: int) -> None:
        super().__init__(timeout=NO_TIMEOUT)
        self._cache: _Weighed = _Weighed()
        self._max_items = max_items
        self._max_bytes = max_bytes

    async def _set(self, key: str, value: _Entry, **kwargs: object) -> object:
        await self._delete(key)  # a dict keeps the place of a key that is written again
        left = self._max_bytes - _weight(value)
        if left < 0:
            return False
        while len(self._cache) >= self._max_items or self._cache.bytes > left:
            await self._delete(next(iter(self._cache)))
        return await super()._set(key, value, **kwargs)

    set = _set

    async def _close(self, *_: object, **__: object) -> None:
        for key in list(self._cache):
            await self._delete(key)


class _Weighed(dict[str, _Entry]):
    """Entries, and what they weigh together: aiocache ends them by a timer of its own."""

    bytes = 0

    def __setitem__(self, key: str, entry: _Entry) -> None:
        self.pop(key, None)
        super().__setitem__(key, entry)
        self.bytes += _weight(entry)

    def pop(self, key: str, default: Any = None) -> Any:
        entry = super().pop(key, None)
        if entry is None:
            return default
        self.bytes -= _weight(entry)
        return entry


def _weight(entry: _Entry) -> int:
    return ENTRY_BYTES + len(entry.value)


class _Redis(RedisCache):  # type: ignore[misc]
    """aiocache reads no URL with TLS or a user in it: the client is ours."""

    def __init__(self, url: Secret, secret: Secret) -> None:
        super().__init__(serializer=_Sealed(secret), namespace="bouquet:cache", timeout=NO_TIMEOUT)
        self.client = open_redis(url)

    async def _close(self, *_: object, **__: object) -> None:
        await self.client.aclose()


class _Sealed(BaseSerializer):  # type: ignore[misc]
    """AES-256-GCM with a random nonce. What does not open (another secret, a foreign hand) is not there."""

    DEFAULT_ENCODING = None

    def __init__(self, secret: Secret) -> None:
        super().__init__()
        self._aes = AESGCM(_hmac(secret, b"seal"))

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


def _hmac(secret: Secret, message: bytes) -> bytes:
    return hmac.digest(secret.reveal().encode(), message, "sha256")

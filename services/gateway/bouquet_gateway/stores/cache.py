"""Interface of the cache, which is in the memory of one process or on a redis that gateways share."""

from __future__ import annotations

from typing import Protocol

import msgspec
from msgspec import Struct

from bouquet_mesh.keyed_hash import keyed_hash
from bouquet_mesh.secret import Secret


class CachedValue(Struct, frozen=True):
    value: bytes
    expires_in_s: int


class Cache(Protocol):
    """Cache whose methods never raise an error. If the store fails, `get` returns `None`, and writes have no effect."""

    async def get(self, key: str) -> CachedValue | None:
        """Returns the value of a key, with the seconds until it expires; `None` if the key is missing."""

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Stores a value under a key, for `ttl_s` seconds."""

    async def add(self, key: str, ttl_s: float) -> bool:
        """Adds a key for `ttl_s` seconds, and returns whether the key was missing before. If several processes add the
        same key at the same time, only one gets `True`.

        If the store fails, all of them get `True`.
        """

    async def delete(self, key: str) -> None:
        """Removes a key and its value; does nothing if the key is missing."""


def key_of(secret: Secret, *parts: object) -> str:
    """Returns the cache key of `parts`, which may describe a person. The key is a keyed hash: nobody without `secret`
    can find out whom it stands for."""
    return keyed_hash(secret, msgspec.json.encode(parts, order="deterministic"))

"""What was answered, kept for a while: one behaviour, in this process or on a redis that gateways share."""

from __future__ import annotations

from typing import Protocol

import msgspec
from msgspec import Struct

from bouquet_mesh.keyed_hash import keyed_hash
from bouquet_mesh.secret import Secret


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
    return keyed_hash(secret, msgspec.json.encode(parts))

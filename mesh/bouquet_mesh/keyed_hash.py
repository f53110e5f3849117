"""Keyed hash (HMAC-SHA-256, RFC 2104)."""

from __future__ import annotations

import hmac
from functools import lru_cache

from bouquet_mesh.secret import Secret

MAX_CACHED_KEYS = 64
"""Limit of the cached keys, more than a process has."""


def keyed_hash(key: Secret, message: bytes) -> str:
    """Returns the HMAC of `message` as 64 hexadecimal digits."""
    mac = _keyed(key).copy()
    mac.update(message)
    return mac.hexdigest()


@lru_cache(maxsize=MAX_CACHED_KEYS)
def _keyed(key: Secret) -> hmac.HMAC:
    """Returns a prepared HMAC for callers to copy: preparing a key costs more than hashing a short message."""
    return hmac.new(key.reveal().encode(), digestmod="sha256")

"""A hash that nobody can compute without its key (HMAC-SHA-256, RFC 2104)."""

from __future__ import annotations

import hmac
from functools import lru_cache

from bouquet_mesh.secret import Secret

KEYS = 64
"""More than any process has; tests have many."""


def keyed_hash(key: Secret, message: bytes) -> str:
    """Returns 64 hexadecimal digits."""
    mac = _keyed(key).copy()
    mac.update(message)
    return mac.hexdigest()


@lru_cache(maxsize=KEYS)
def _keyed(key: Secret) -> hmac.HMAC:
    """To be copied: preparing a key costs more than hashing a short message."""
    return hmac.new(key.reveal().encode(), digestmod="sha256")

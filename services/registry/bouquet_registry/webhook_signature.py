"""The signature of a webhook: `X-Hub-Signature-256: sha256=<hex HMAC of the body>` (docs/reference/contract.md §7)."""

from __future__ import annotations

import hmac

from bouquet_mesh.keyed_hash import keyed_hash
from bouquet_mesh.secret import Secret

HEADER = "X-Hub-Signature-256"


def signature_of(secret: Secret, body: bytes) -> str:
    """Returns the value of the signature header for a body: `sha256=` and the HMAC of the body in hexadecimal."""
    return f"sha256={keyed_hash(secret, body)}"


def is_signed(secret: Secret, body: bytes, signature: str) -> bool:
    """Returns whether `signature` is the signature of the body made with `secret`. Returns False if `secret` is
    empty."""
    # The comparison takes constant time.
    given = signature.encode(errors="surrogateescape")  # a header may hold bytes that are no text
    return bool(secret) and hmac.compare_digest(signature_of(secret, body).encode(), given)

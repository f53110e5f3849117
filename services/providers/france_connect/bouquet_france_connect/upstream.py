"""FranceConnect's answers (docs/reference/upstreams/france_connect.md §2-5): a signed and encrypted introspection, or
an error."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bouquet_proto.france_connect_session import Pivot

REFUSALS: dict[str | None, str] = {
    "invalid_request": "session_malformed",
    "invalid_client": "session_unknown",  # of an unknown token, or for every token where our own secret is wrong
}
"""For each value of the field `error` in a 400 or a 401, the reason of the refusal. Any other value is the failure
`upstream_unknown`."""


class Refusal(Struct, frozen=True):
    """The body of FranceConnect's answer with HTTP status 400 or 401."""

    error: str | None = None


class Introspection(Pivot, frozen=True, kw_only=True):
    """FranceConnect's description of a token. For an inactive token it has the field `active` alone."""

    active: bool
    scope: str | None = None


class Claims(Struct, frozen=True):
    """The claims of a signed answer; `exp`, the end of its validity, is in seconds since 1970."""

    iss: str
    aud: str | tuple[str, ...]
    token_introspection: Introspection
    exp: float | None = None


class Jwks(Struct, frozen=True):
    """FranceConnect's public keys, as JWK."""

    keys: tuple[dict[str, Any], ...]

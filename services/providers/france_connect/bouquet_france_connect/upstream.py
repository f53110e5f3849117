"""What FranceConnect answers (docs/reference/upstreams/france_connect.md §2-5): an introspection, that it signs and
then encrypts for us."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bouquet_proto.france_connect_session import Pivot

REFUSALS: dict[str | None, str] = {
    "invalid_request": "session_malformed",
    "invalid_client": "session_unknown",  # of the token, or of us: worth an alert when it is everybody's
}
"""By the `error` of a 400 or a 401; any other is not understood."""


class Refusal(Struct, frozen=True):
    error: str | None = None


class Introspection(Pivot, frozen=True, kw_only=True):
    """Of an inactive token, `active` alone is certain."""

    active: bool
    scope: str | None = None


class Claims(Struct, frozen=True):
    iss: str
    aud: str | tuple[str, ...]
    token_introspection: Introspection
    exp: float | None = None


class Jwks(Struct, frozen=True):
    keys: tuple[dict[str, Any], ...]

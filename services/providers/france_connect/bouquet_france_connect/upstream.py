"""Answers of FranceConnect (docs/reference/upstreams/france_connect.md §2-5): a signed and encrypted introspection,
or an error."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bouquet_proto.france_connect_session import Pivot

REFUSALS: dict[str | None, str] = {
    "invalid_request": "session_malformed",
    "invalid_client": "session_unknown",  # of an unknown token, or for every token where our own secret is wrong
}
"""Reasons for refusing a token, by FranceConnect's error code (HTTP 400 or 401). Any other code counts as a failure of
FranceConnect, with the reason `upstream_unknown`."""


class Refusal(Struct, frozen=True):
    """Body of a 400 or 401 with which FranceConnect refuses a token or a request."""

    error: str | None = None


class Introspection(Pivot, frozen=True, kw_only=True):
    """FranceConnect's description of a token. The description of an inactive token has only the field `active`."""

    active: bool
    scope: str | None = None


class Claims(Struct, frozen=True):
    """Claims of a signed answer. `exp` is the time at which the answer expires, in seconds since 1970, or `None` if it
    never expires."""

    iss: str
    aud: str | tuple[str, ...]
    token_introspection: Introspection
    exp: float | None = None


class Jwks(Struct, frozen=True):
    keys: tuple[dict[str, Any], ...]

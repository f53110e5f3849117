"""Replies of the registry of habilitations to gateways: the rights of a token, and the tokens that have changed.

A gateway sends `PROVIDER` a `WhoIs` for a token that it does not know, and gets `KnownToken` or `NotFound`. Every two
seconds it sends `Changes`, and gets `TokenChanges` (docs/adr/0008).
"""

from __future__ import annotations

from msgspec import Struct

PROVIDER = "registry"

UNKNOWN = "token_invalid"
"""Reason of the reply `NotFound`, which says that the registry does not know the token of a `WhoIs`. The reply's `meta`
has the key `AS_OF`."""
AS_OF = "as_of"
"""Key in the `meta` of the reply `NotFound` to a `WhoIs`. Its value is the number of the last change of tokens that the
registry knows of."""


class KnownToken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Token that the registry knows, with the rights of its habilitation. Times are in seconds since the epoch."""

    siret: str
    """SIRET of the habilitation's holder."""
    scopes: frozenset[str]
    expires_at: float
    as_of: int
    """Number of the last change of tokens that this answer includes."""
    habilitation: str = ""
    """Id of the habilitation."""
    blacklisted_at: float | None = None
    calls_per_minute: int = 0
    """Largest number of calls per minute for the habilitation, or 0 if it has no limit of its own."""
    allowed_ips: tuple[str, ...] = ()
    """Addresses and CIDR ranges that the token may be used from; empty for any."""


class TokenChanges(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens that have changed since the gateway's cursor, and the new cursor."""

    log: str
    """Name of the registry's log of changes. Numbers of changes in different logs cannot be compared."""
    cursor: int
    """Number of the last change, which the gateway sends as `since` the next time."""
    tokens: tuple[str, ...] | None = None
    """Ids of the changed tokens, or `None` if any token may have changed, because too many have, or because the gateway
    named another log."""

"""The registry of habilitations, as it answers the gateways: whose a token is, and which tokens have changed.

A gateway asks `PROVIDER` a `WhoIs` for a token that it does not know, and gets `Held` or `NotFound`; every two seconds
it asks for the `Changes` since those that it has heard of, and gets `News` (docs/adr/0008).
"""

from __future__ import annotations

from msgspec import Struct

PROVIDER = "registry"

UNKNOWN = "token_invalid"
"""Why a token is `NotFound`; its `meta` has `AS_OF`."""
AS_OF = "as_of"


class Held(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A token that the registry knows, with what its habilitation allows. Times are in seconds since the epoch."""

    siret: str
    """Of the habilitation's holder."""
    scopes: frozenset[str]
    expires_at: float
    as_of: int
    """The last change that this answer knows of."""
    habilitation: str = ""
    """Its id."""
    blacklisted_at: float | None = None
    calls_per_minute: int = 0
    """A limit of the habilitation's own; none when 0."""
    allowed_ips: tuple[str, ...] = ()
    """Addresses and CIDR ranges that the token may be used from; any when empty."""


class News(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the log of changes stands, and whose tokens it names since the asker's cursor."""

    log: str
    """The log's own name: numbers of another log say nothing."""
    cursor: int
    tokens: tuple[str, ...] | None = None
    """`None`: too many to tell, or the asker's cursor is not of this log. Any token may have changed."""

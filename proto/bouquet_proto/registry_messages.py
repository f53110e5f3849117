"""Replies of the registry to gateways: a token's rights, a software editor's delegations, the changes since the last
reply, and whether a proof is revoked. A proof is an encrypted text by which anyone can verify later what an answer
said.

A gateway sends five kinds of request to the registry:

- `WhoIs` for a token that the gateway does not know; reply: `KnownToken` or `NotFound`
- `FindDelegations` for a call with a software editor's token; reply: `KnownDelegations`
- `ListDelegations` for an editor that asks for the list of its delegations; reply: `DelegationPage`
- `Changes` every two seconds (docs/adr/0008); reply: `TokenChanges`
- `FindRevocation` for each verification of a proof; reply: `Revocation`
"""

from __future__ import annotations

from msgspec import Struct

PROVIDER = "registry"

UNKNOWN_TOKEN = "token_invalid"
"""Reason in the `NotFound` that the registry sends as its reply about an unknown token."""
AS_OF = "as_of"
"""Key in the `meta` of the registry's `NotFound` for an unknown token. The value is the number of the latest change
that the reply takes into account."""


class GroupLimit(Struct, frozen=True):
    """Limit on the calls per minute to all operations of a group together."""

    paths: str
    """Prefix of the paths of the group's operations, such as `/v3/dss/`."""
    calls_per_minute: int


class HabilitationRights(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rights that a habilitation (an administration's right to call operations) gives."""

    siret: str
    """SIRET of the habilitation's holder."""
    scopes: frozenset[str]
    habilitation: str = ""
    """Id of the habilitation; empty for a software editor's token."""
    calls_per_minute: int = 0
    """Largest number of calls per minute for the habilitation; 0 if it has no limit per minute."""
    calls_per_second: int = 0
    """Largest number of calls per second for the habilitation; 0 if the gateway's default limit applies."""
    group_limits: tuple[GroupLimit, ...] = ()
    allowed_ips: tuple[str, ...] = ()
    """IP addresses and CIDR ranges from which the habilitation may be used; empty if all are allowed."""
    ine: bool = True
    """Whether calls with the habilitation may identify students by the national student number (INE)."""
    # True from older registries, which do not send this field.
    datapass_id: str | None = None
    """Id of the habilitation in DataPass; `None` if there is none, or if the registry does not send it."""
    # Older registries do not send this field.


class KnownToken(HabilitationRights, frozen=True, kw_only=True, omit_defaults=True):
    """Token that the registry knows, with the rights of its habilitation (an administration's right to call
    operations). Times are in seconds since the epoch.

    A software editor's token has no habilitation and no scopes: `siret` and `allowed_ips` are then the editor's own.
    """

    expires_at: float
    as_of: int
    """Number of the last change in the registry's log that this reply takes into account."""
    blacklisted_at: float | None = None
    editor: str = ""
    """Id of the software editor whose token this is; empty for the token of a habilitation."""
    issued_at: float | None = None
    """Time at which the token was issued, in seconds since the epoch; `None` if unknown."""
    # Older registries do not send this field.
    mcp: bool = False
    """Whether the token may be used with the Model Context Protocol."""
    # False from older registries, which do not send this field.


class KnownDelegation(HabilitationRights, frozen=True, kw_only=True, omit_defaults=True):
    """Delegation in force, with the rights of the habilitation that it lets a software editor use."""

    id: str


class KnownDelegations(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reply to `FindDelegations`: the delegations in force from one organisation to one software editor."""

    as_of: int
    """Number of the last change in the registry's log that this answer takes into account."""
    delegations: tuple[KnownDelegation, ...] = ()


class ListedDelegation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Delegation to a software editor, in force or revoked, as the editor sees it in its list of delegations. A
    delegation lets the editor call with the rights of an administration's habilitation."""

    id: str
    siret: str
    """SIRET of the habilitation's holder."""
    purpose: str
    scopes: tuple[str, ...]
    is_active: bool
    created_at: float
    """Time at which the delegation was created, in seconds since the epoch."""
    datapass_id: str | None = None


class DelegationPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reply to `ListDelegations`: one page of a software editor's delegations, newest first, and their total number."""

    total: int
    delegations: tuple[ListedDelegation, ...] = ()


class Revocation(Struct, frozen=True, kw_only=True):
    """Reply to `FindRevocation`: whether and when a proof was revoked. A proof is an encrypted text by which anyone can
    verify later what an answer said."""

    revoked_at: float | None
    """Time of the revocation, in seconds since the epoch; `None` if the proof is not revoked."""
    # Without a default: an answer that says nothing must not count as "not revoked".


class TokenChanges(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reply to `Changes`: what has changed since the change number `Changes.since`."""

    log: str
    """Name of the log in which the registry numbers its changes. Numbers of different logs cannot be compared."""
    cursor: int
    """Number of the last change in the registry's log. In its next `Changes`, the gateway sends this number as
    `since`."""
    tokens: tuple[str, ...] | None = None
    """Ids of the changed tokens. `None` if the registry cannot list them: all tokens and delegations may then have
    changed."""
    # There are too many changes, or the registry's log is not the one that the gateway named in `Changes.log`.
    editors: tuple[str, ...] = ()
    """Ids of the software editors with at least one changed delegation."""
    # A delegation changes when it is created or revoked, or when its habilitation changes.
    withdrawn_keys: tuple[str, ...] | None = None
    """Names (`kid`) of all withdrawn signing keys. `None` if the registry does not send them; gateways then keep the
    names that they know."""
    # Older registries do not send this field.
    # The name is empty for a shared secret without a name.

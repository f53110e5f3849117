"""Verification, reading and signing of callers' access tokens (docs/reference/contract.md §2.1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Annotated, Any, Protocol, TypeAlias

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OctKey
from msgspec import Meta as Limits
from msgspec import Struct

from bouquet_gateway.access.addresses import Networks
from bouquet_gateway.access.credentials import Credential, hash_of
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_proto.deadline import Deadline
from bouquet_proto.names import GATEWAY_PREFIX
from bouquet_proto.registry_messages import GroupLimit

Key: TypeAlias = OctKey | ECKey
Uuid: TypeAlias = Annotated[str, Limits(pattern=r"\A[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}\Z")]

ALGORITHMS: dict[type[Key], str] = {OctKey: "HS256", ECKey: "ES256"}
"""Signature algorithm of each kind of key. Tokens with other algorithms are refused."""
# A forger could otherwise sign a token with a public key, as if it were a shared secret.

KEY_BYTES = 32
"""Minimum length, in bytes, of the secret that signs tokens by the algorithm HS256 (RFC 7518 §3.2)."""

LEEWAY_S = 60.0
"""Tolerance, in seconds, for a token whose claim `nbf` (not before) is in the future (RFC 7519 §4.1.5)."""
# The signer's clock may be ahead of the gateway's.

STAGING_TOKEN_ID = "00000000-0000-0000-0000-000000000000"
"""Id of the public token of staging environments, which anybody may use."""
STAGING = "staging"
"""Value of the claim `sub` in tokens of a staging environment."""
DINUM_SIRET = "13002526500013"
"""SIRET of the DINUM, the French government's digital directorate, which holds the public token of staging
environments."""


class Rights(Struct, frozen=True, kw_only=True):
    """Rights of a call, which come from a habilitation (an administration's right to call operations). A software
    editor's token has the rights of the habilitation that is delegated to the editor."""

    scopes: frozenset[str]
    siret: str
    """SIRET of the habilitation's holder; for a software editor's token without a delegation, SIRET of the editor.
    Empty for a citizen's FranceConnect session."""
    habilitation: str = ""
    """Id of the habilitation in the registry. Empty for a software editor's token without a delegation, and for a token
    whose rights come from its own claims."""
    calls_per_minute: int = 0
    """Largest number of calls per minute for the habilitation; 0 if it has no such limit. The limit per second applies
    as well."""
    calls_per_second: int = 0
    """Largest number of calls per second for the habilitation; 0 if the gateway's default limit applies."""
    group_limits: tuple[GroupLimit, ...] = ()
    networks: Networks | None = None
    """Networks from which calls are allowed; `None` if all are allowed."""
    allows_ine: bool = True
    """Whether the call may identify a student by INE, the national student number."""
    datapass_id: str | None = None
    """Id of the habilitation in DataPass; `None` if the habilitation has none there, or if the registry does not send
    it."""


class Token(Rights, frozen=True, kw_only=True):
    """Verified token, and the rights of calls with it. Claims that name a person are not kept."""

    id: str
    expires_at: float
    not_before: float = 0.0
    blacklisted_at: float | None = None
    """Time, in seconds since the epoch, from which calls with the token are refused; `None` if the token is not
    blacklisted."""
    editor: str = ""
    """Id of the software editor whose token this is; empty for the token of a habilitation."""
    delegation: str = ""
    """Id of the delegation whose rights a software editor's token has in this call; empty for all other tokens."""
    issued_at: float | None = None
    """Time at which the token was issued, in seconds since the epoch; `None` if unknown."""
    mcp: bool = False
    """Whether an operator allows the token's use with the Model Context Protocol. Always false for a software editor's
    token."""


class Delegation(Rights, frozen=True, kw_only=True):
    """Delegation in force: right of a software editor to call with the rights of another organisation's
    habilitation."""

    id: str


class CredentialRefusal(Struct, frozen=True):
    """Reason why a caller's credential is refused, as a key of the failure table (bouquet_proto/failures.py)."""

    reason: str
    retry_in_s: int = 0
    """Seconds after which the same call may be accepted; 0 if the refusal does not come from a rate limit."""


INVALID = CredentialRefusal("token_invalid")
WITHDRAWN = CredentialRefusal("token_blacklisted")
"""Refusal of a token whose signing key has been withdrawn. The caller gets the error for a blacklisted token."""


class TokenSource(Protocol):
    """Source that finds the token for a caller's credential, and the token's rights. One source asks the registry,
    another reads the token's own claims."""

    @property
    def ready(self) -> bool:
        """Whether tokens can already be looked up. A source that asks the registry is ready once the registry has
        answered."""

    async def token_of(self, credential: Credential, request_id: str, deadline: Deadline) -> Token | CredentialRefusal:
        """Returns the token of a credential, even if the token is expired or blacklisted. Returns a refusal if there is
        no valid token."""

    async def delegations_of(
        self, editor: str, siret: str, request_id: str, deadline: Deadline
    ) -> tuple[Delegation, ...] | CredentialRefusal:
        """Returns the delegations in force from the organisation with the SIRET `siret` to the software editor with the
        id `editor`. Returns a refusal if the registry does not answer."""

    async def run(self) -> None:
        """Keeps remembered tokens up to date until cancelled. Returns at once if this source remembers no tokens."""


class _UnverifiedClaims(Struct, frozen=True):
    """Claims of a token with a wrong signature, read only to find out which environment the token is for."""

    jti: Any = None
    sub: Any = None

    @property
    def is_staging(self) -> bool:
        return bool(self.sub == STAGING or self.jti == STAGING_TOKEN_ID)


class _Claims(Struct, frozen=True):
    uid: Uuid
    jti: Uuid
    exp: float
    nbf: float = 0.0
    iat: float | None = None
    scopes: frozenset[str] | None = None
    roles: frozenset[str] = frozenset()
    """Scopes of a token in the older form, which has the claim `roles` instead of `scopes`."""
    siret: str = ""
    mcp: Any = False


class TokenVerifier:
    """Verifier of tokens' signatures. Accepts the key that the token's header names (`kid`), and one secret key without
    a name."""

    # `secret` is tried on every token. The last `max_known` valid tokens are remembered by their hash.

    def __init__(
        self,
        secret: Secret,
        *,
        named_keys: tuple[tuple[str, Key], ...] = (),
        max_known: int = 50_000,
        is_staging: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Takes the keys that sign tokens: `secret`, which has no name, and `named_keys`. Raises `SettingsError` if
        there is no key. At most `max_known` verified tokens are remembered. `is_staging` says whether this is a staging
        environment."""
        # A wrongly signed token that claims to be of the other environment, production or staging, is refused with a
        # reason that says so.
        self._all_keys = (*((("", _key(secret)),) if secret else ()), *named_keys)
        self._keys = _Keys(self._all_keys)
        if not self._all_keys:
            raise SettingsError([f"{GATEWAY_PREFIX}TOKEN_KEY: is required without {GATEWAY_PREFIX}TOKEN_KEYS"])
        self._max_known = max_known
        self._is_staging = is_staging
        self._clock = clock
        self._known: dict[bytes, Token] = {}

    def withdraw(self, kids: Iterable[str]) -> bool:
        """Replaces the set of withdrawn keys by the keys named in `kids`, and returns whether the set has changed.
        Tokens signed with a withdrawn key are refused. The name "" stands for the secret without a name."""
        # A key that has several names is withdrawn under all of them.
        names = frozenset(kids)
        secrets = {key.thumbprint() for name, key in self._all_keys if name in names}
        refused = tuple(pair for pair in self._all_keys if pair[1].thumbprint() in secrets)
        if refused == self._keys.withdrawn:
            return False
        self._keys = _Keys(tuple(pair for pair in self._all_keys if pair not in refused), refused)
        self._known.clear()
        return True

    def read(self, credential: Credential) -> Token | CredentialRefusal:
        """Returns the token of a credential, or the reason to refuse the credential. An expired token is returned
        too."""
        digest = hash_of(credential.text)
        token = self._known.pop(digest, None) or _decode(credential.text, self._keys, self._is_staging)
        if isinstance(token, CredentialRefusal):
            return token
        self._known[digest] = token  # moved to the end: the dict is in order of use
        if len(self._known) > self._max_known:
            del self._known[next(iter(self._known))]
        return token if token.not_before <= self._clock() + LEEWAY_S else INVALID


class _Keys(Struct, frozen=True):
    """Keys with which tokens' signatures are verified. Each is a pair of the key's name and the key."""

    accepted: tuple[tuple[str, Key], ...]
    withdrawn: tuple[tuple[str, Key], ...] = ()
    """Keys whose tokens are refused, with the same reason as a blacklisted token."""


class ClaimedTokens:
    """Source of tokens for demos and sandboxes. A token has the rights that its own claims state; the registry is not
    asked."""

    ready = True

    def __init__(self, tokens: TokenVerifier) -> None:
        self._tokens = tokens

    async def token_of(self, credential: Credential, request_id: str, deadline: Deadline) -> Token | CredentialRefusal:
        return self._tokens.read(credential)

    async def delegations_of(
        self, editor: str, siret: str, request_id: str, deadline: Deadline
    ) -> tuple[Delegation, ...] | CredentialRefusal:
        return ()  # no token is an editor's by its own claims

    async def run(self) -> None:
        return


def named_keys(jwks: Secret) -> tuple[tuple[str, Key], ...]:
    """Parses a JSON Web Key Set into pairs of a key's name (`kid`) and the key. Returns an empty tuple for an empty
    text. Raises `SettingsError` if the set is malformed or a key is too weak."""
    if not jwks:
        return ()
    try:
        keys = KeySet.import_key_set(msgspec.json.decode(jwks.reveal())).keys
        named = tuple((str(key.kid), key) for key in keys if isinstance(key, OctKey | ECKey) and _is_strong(key))
    except (JoseError, ValueError, KeyError, TypeError):
        keys, named = [], ()
    if not named or len(named) < len(keys):
        raise SettingsError(
            [f"{GATEWAY_PREFIX}TOKEN_KEYS: must be a JWKS of strong oct and P-256 keys, each with a kid"]
        )
    return named


def _is_strong(key: Key) -> bool:
    strong = len(key.raw_value) >= KEY_BYTES if isinstance(key, OctKey) else key.curve_name == "P-256"
    return strong and bool(key.kid)


def issue(
    secret: Secret,
    scopes: Iterable[str],
    *,
    expires_at: int,
    token_id: str = STAGING_TOKEN_ID,
    siret: str = "",
    mcp: bool = False,
) -> str:
    """Returns a token signed with `secret`, for demos and sandboxes. The claims are the same as in API Particulier's
    tokens. `expires_at` is in seconds since the epoch. `mcp` allows the token for the Model Context Protocol."""
    claims: dict[str, Any] = {
        "uid": token_id,
        "jti": token_id,
        "scopes": list(scopes),
        "sub": "bouquet",
        "siret": siret,
        "version": "1.0",
        "iat": int(time.time()),
        "exp": expires_at,
    } | ({"mcp": True} if mcp else {})
    return jws.serialize_compact({"alg": "HS256"}, msgspec.json.encode(claims), _key(secret), ["HS256"])


def _decode(text: str, keys: _Keys, is_staging: bool) -> Token | CredentialRefusal:
    try:
        signed = jws.extract_compact(text.encode())
        if not _is_signed_with_one(keys.accepted, signed):
            if _is_signed_with_one(keys.withdrawn, signed):
                return WITHDRAWN
            return _refusal_of_unverified(msgspec.json.decode(signed.payload, type=_UnverifiedClaims), is_staging)
        claims = msgspec.json.decode(signed.payload, type=_Claims)
    except (JoseError, ValueError, TypeError, RecursionError):  # TypeError: a `crit` header may be of any type
        return INVALID
    return Token(
        id=claims.jti,
        scopes=interned(claims.roles if claims.scopes is None else claims.scopes),
        siret=DINUM_SIRET if claims.jti == STAGING_TOKEN_ID else claims.siret,
        expires_at=claims.exp,
        not_before=claims.nbf,
        issued_at=claims.iat,
        mcp=claims.mcp is True,
    )


def _refusal_of_unverified(claims: _UnverifiedClaims, is_staging: bool) -> CredentialRefusal:
    """Returns the refusal of a token with a wrong signature. If the token's claims show that it is meant for the other
    environment (production or staging), the reason says so."""
    if claims.is_staging == is_staging:
        return INVALID
    return CredentialRefusal("token_of_production" if is_staging else "token_of_staging")


def _is_signed_with_one(keys: Iterable[tuple[str, Key]], signed: jws.CompactSignature) -> bool:
    """Returns whether one of `keys` has signed a token. Tries only keys without a name, and the key whose name (`kid`)
    is in the token's header."""
    named = ("", signed.headers().get("kid", ""))
    return any(_signed_with(key, signed) for name, key in keys if name in named)


def _signed_with(key: Key, signed: jws.CompactSignature) -> bool:
    try:
        return jws.validate_compact(signed, key, [ALGORITHMS[type(key)]])
    except JoseError:
        return False


def _key(secret: Secret) -> OctKey:
    text = secret.reveal().encode()
    if len(text) < KEY_BYTES:
        raise SettingsError([f"{GATEWAY_PREFIX}TOKEN_KEY: must have {KEY_BYTES} bytes at least"])
    return OctKey.import_key(text)


@lru_cache(maxsize=1024)
def interned(scopes: frozenset[str]) -> frozenset[str]:
    """Returns one shared object for all equal sets of scopes, to save memory."""
    return scopes

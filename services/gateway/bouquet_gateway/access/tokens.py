"""Access tokens of callers: how they are verified, read and made (docs/reference/contract.md §2.1)."""

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

Key: TypeAlias = OctKey | ECKey
Uuid: TypeAlias = Annotated[str, Limits(pattern=r"\A[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}\Z")]

ALGORITHMS: dict[type[Key], str] = {OctKey: "HS256", ECKey: "ES256"}
"""Signature algorithm for each kind of key. No other is accepted: a forger could otherwise sign a token with a public
key, as if it were a shared secret."""

KEY_BYTES = 32
"""Minimum length of an HS256 key, in bytes (RFC 7518 §3.2)."""

LEEWAY_S = 60.0
"""Seconds by which the signer's clock may be ahead of ours: a token is accepted that long before the time in its `nbf`
claim, "not before" (RFC 7519 §4.1.5)."""

INTERNAL_ID = "00000000-0000-0000-0000-000000000000"
"""Id of the token that anybody may use in a staging environment. No registry knows it."""
STAGING = "staging"
"""Value of the `sub` claim in tokens of a staging environment, except in the token with the id `INTERNAL_ID`."""
DINUM_SIRET = "13002526500013"
"""SIRET of the DINUM, given to the token with the id `INTERNAL_ID`."""


class Token(Struct, frozen=True):
    """Rights of a verified token. Claims that name a person are not kept."""

    id: str
    scopes: frozenset[str]
    siret: str
    expires_at: float
    not_before: float = 0.0
    habilitation: str = ""
    """Id of the token's habilitation in the registry; empty for a token whose rights come from its own claims."""
    blacklisted_at: float | None = None
    """Time from which on the token is refused, in epoch seconds; `None` for never."""
    calls_per_minute: int = 0
    """Calls per minute allowed to the habilitation, in addition to the rate limit of every token; 0 for no such
    limit."""
    networks: Networks | None = None
    """Networks from which the token may be used; `None` for any."""


class Refusal(Struct, frozen=True):
    """Refusal of a credential that is not a valid token. `reason` is a key of the failure table
    (bouquet_proto/failures.py)."""

    reason: str


INVALID = Refusal("token_invalid")


class TokenSource(Protocol):
    """Source of tokens by credential: the registry, or the claims of the token itself."""

    @property
    def ready(self) -> bool:
        """Tells whether tokens can already be looked up."""

    async def token_of(self, credential: Credential, request_id: str, deadline: Deadline) -> Token | Refusal:
        """Returns the token of a credential, or the reason for its refusal. An expired or blacklisted token is returned
        like any other."""

    async def run(self) -> None:
        """Keeps remembered tokens up to date until cancelled. Returns at once if the source remembers no tokens."""


class _UnverifiedClaims(Struct, frozen=True):
    """Claims of a token whose signature is wrong. They may have any type, and are read only to see whether the token
    claims to be of a staging environment."""

    jti: Any = None
    sub: Any = None

    @property
    def is_staging(self) -> bool:
        return bool(self.sub == STAGING or self.jti == INTERNAL_ID)


class _Claims(Struct, frozen=True):
    """Claims of a verified token."""

    uid: Uuid
    jti: Uuid
    exp: float
    nbf: float = 0.0
    scopes: frozenset[str] | None = None
    roles: frozenset[str] = frozenset()
    """Scopes in older tokens, which have this claim in place of `scopes`."""
    siret: str = ""


class TokenVerifier:
    """Verifier of signed tokens, which remembers the last `max_known` valid ones by their hash.

    Each key in `named_keys` is tried only on tokens whose header names it (`kid`). The key `secret` has no name, and is
    tried on every token.
    """

    def __init__(
        self,
        secret: Secret,
        *,
        named_keys: tuple[tuple[str, Key], ...] = (),
        max_known: int = 50_000,
        is_staging: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Takes `is_staging`, true for a staging environment. A wrongly signed token that claims to be of the other
        environment, production or staging, is refused with a reason that says so. Raises `SettingsError` without any
        key."""
        self._keys = (*((("", _key(secret)),) if secret else ()), *named_keys)
        if not self._keys:
            raise SettingsError([f"{GATEWAY_PREFIX}TOKEN_KEY: is required without {GATEWAY_PREFIX}TOKEN_KEYS"])
        self._max_known = max_known
        self._is_staging = is_staging
        self._clock = clock
        self._known: dict[bytes, Token] = {}

    def read(self, credential: Credential) -> Token | Refusal:
        """Returns the token of a credential, or the reason for its refusal. Does not check the expiry."""
        digest = hash_of(credential.text)
        token = self._known.pop(digest, None) or _decode(credential.text, self._keys, self._is_staging)
        if isinstance(token, Refusal):
            return token
        self._known[digest] = token  # moved to the end: the dict is in order of use
        if len(self._known) > self._max_known:
            del self._known[next(iter(self._known))]
        return token if token.not_before <= self._clock() + LEEWAY_S else INVALID


class ClaimedTokens:
    """Source of tokens that trusts the claims of each signed token, for demos and sandboxes."""

    ready = True

    def __init__(self, tokens: TokenVerifier) -> None:
        self._tokens = tokens

    async def token_of(self, credential: Credential, request_id: str, deadline: Deadline) -> Token | Refusal:
        return self._tokens.read(credential)

    async def run(self) -> None:
        return


def named_keys(jwks: Secret) -> tuple[tuple[str, Key], ...]:
    """Parses a JSON Web Key Set into pairs of `kid` (the key's name) and key. It may contain `oct` keys, for HS256, and
    `EC` keys on P-256, for ES256. Raises `SettingsError` for another kind of key, a short one, or one without `kid`."""
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
    secret: Secret, scopes: Iterable[str], *, expires_at: int, token_id: str = INTERNAL_ID, siret: str = ""
) -> str:
    """Returns a signed token with the claims that API Particulier's portal puts into its tokens."""
    claims = {
        "uid": token_id,
        "jti": token_id,
        "scopes": list(scopes),
        "sub": "bouquet",
        "siret": siret,
        "version": "1.0",
        "iat": int(time.time()),
        "exp": expires_at,
    }
    return jws.serialize_compact({"alg": "HS256"}, msgspec.json.encode(claims), _key(secret), ["HS256"])


def _decode(text: str, keys: Iterable[tuple[str, Key]], is_staging: bool) -> Token | Refusal:
    try:
        signed = jws.extract_compact(text.encode())
        named = ("", signed.headers().get("kid", ""))
        if not any(_signed_with(key, signed) for name, key in keys if name in named):
            return _refusal_of_unverified(msgspec.json.decode(signed.payload, type=_UnverifiedClaims), is_staging)
        claims = msgspec.json.decode(signed.payload, type=_Claims)
    except (JoseError, ValueError, TypeError, RecursionError):  # TypeError: a `crit` header may be of any type
        return INVALID
    return Token(
        id=claims.jti,
        scopes=interned(claims.roles if claims.scopes is None else claims.scopes),
        siret=DINUM_SIRET if claims.jti == INTERNAL_ID else claims.siret,
        expires_at=claims.exp,
        not_before=claims.nbf,
    )


def _refusal_of_unverified(claims: _UnverifiedClaims, is_staging: bool) -> Refusal:
    """Returns the refusal of a token with a wrong signature. If the token claims to be of the other environment,
    production or staging, the refusal says so."""
    if claims.is_staging == is_staging:
        return INVALID
    return Refusal("token_of_production" if is_staging else "token_of_staging")


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
    """Returns the same object for equal sets of scopes, to save memory: many tokens have the same scopes."""
    return scopes

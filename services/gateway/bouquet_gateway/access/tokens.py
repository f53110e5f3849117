"""The callers' tokens: what one says, how it is verified, and how it is made (docs/reference/contract.md §2.1)."""

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
"""One to a kind of key: a public key is never taken for a shared secret."""

KEY_BYTES = 32
"""What HS256 asks for (RFC 7518 §3.2)."""

LEEWAY_S = 60.0
"""A token may be used as soon as it is signed, though the signer's clock is ahead of this one (RFC 7519 §4.1.5)."""

INTERNAL_ID = "00000000-0000-0000-0000-000000000000"
"""Id of the public token of a staging environment, which no registry knows."""
STAGING = "staging"
"""The subject of other tokens of a staging environment."""
DINUM = "13002526500013"
"""The SIRET of whoever calls with the internal id."""


class Token(Struct, frozen=True):
    """What a verified token allows. The names that it also carries are not kept."""

    id: str
    scopes: frozenset[str]
    siret: str
    expires_at: float
    not_before: float = 0.0
    habilitation: str = ""
    """Its id; empty where a token speaks for itself."""
    blacklisted_at: float | None = None
    calls_per_minute: int = 0
    """A limit of the habilitation's own, besides that of every token; none when 0."""
    networks: Networks | None = None
    """Where it may be used from; `None` is anywhere."""


class Refusal(Struct, frozen=True):
    """Why a credential stands for no token: a reason of the failure table."""

    reason: str


INVALID = Refusal("token_invalid")


class TokenSource(Protocol):
    """Says what token a credential stands for."""

    @property
    def ready(self) -> bool:
        """Whether a token can be told from another yet."""

    async def token_of(self, credential: Credential, request_id: str, deadline: Deadline) -> Token | Refusal:
        """Expired and blacklisted tokens are tokens too."""

    async def run(self) -> None:
        """Keeps what is known of tokens fresh, for as long as it must be."""


class _Origin(Struct, frozen=True):
    """Claims that tell the environment of a token, whoever signed it. They may be of any type."""

    jti: Any = None
    sub: Any = None

    @property
    def is_staging(self) -> bool:
        return bool(self.sub == STAGING or self.jti == INTERNAL_ID)


class _Claims(Struct, frozen=True):
    uid: Uuid
    jti: Uuid
    exp: float
    nbf: float = 0.0
    scopes: frozenset[str] | None = None
    roles: frozenset[str] = frozenset()
    """What older tokens have for scopes."""
    siret: str = ""


class Tokens:
    """Verifies tokens, and remembers the last `max_known` good ones by their hash.

    A key with a name verifies the tokens that name it (`kid`); `secret`, which has none, any.
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
        """`is_staging`: of which of two environments these are the tokens, told to whoever brings the other's."""
        self._keys = (*((("", _key(secret)),) if secret else ()), *named_keys)
        if not self._keys:
            raise SettingsError([f"{GATEWAY_PREFIX}TOKEN_KEY: is required without {GATEWAY_PREFIX}TOKEN_KEYS"])
        self._max_known = max_known
        self._is_staging = is_staging
        self._clock = clock
        self._known: dict[bytes, Token] = {}

    def read(self, credential: Credential) -> Token | Refusal:
        """What a token says, or why it is none of ours for today. Its expiry is not looked at."""
        digest = hash_of(credential.text)
        token = self._known.pop(digest, None) or _decode(credential.text, self._keys, self._is_staging)
        if isinstance(token, Refusal):
            return token
        self._known[digest] = token  # the last of the dict is the last used
        if len(self._known) > self._max_known:
            del self._known[next(iter(self._known))]
        return token if token.not_before <= self._clock() + LEEWAY_S else INVALID


class ClaimedTokens:
    """Tokens say themselves what they allow: whoever can sign one can do anything. For demos and sandboxes."""

    ready = True

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def token_of(self, credential: Credential, request_id: str, deadline: Deadline) -> Token | Refusal:
        return self._tokens.read(credential)

    async def run(self) -> None:
        return


def named_keys(jwks: Secret) -> tuple[tuple[str, Key], ...]:
    """The keys of a JSON Web Key Set, each with its `kid`: `oct` for HS256, `EC` on P-256 for ES256."""
    if not jwks:
        return ()
    try:
        keys = KeySet.import_key_set(msgspec.json.decode(jwks.reveal())).keys
        named = tuple((str(key.kid), key) for key in keys if isinstance(key, OctKey | ECKey) and _is_fit(key))
    except (JoseError, ValueError, KeyError, TypeError):
        keys, named = [], ()
    if not named or len(named) < len(keys):
        raise SettingsError(
            [f"{GATEWAY_PREFIX}TOKEN_KEYS: must be a JWKS of strong oct and P-256 keys, each with a kid"]
        )
    return named


def _is_fit(key: Key) -> bool:
    strong = len(key.raw_value) >= KEY_BYTES if isinstance(key, OctKey) else key.curve_name == "P-256"
    return strong and bool(key.kid)


def issue(
    secret: Secret, scopes: Iterable[str], *, expires_at: int, token_id: str = INTERNAL_ID, siret: str = ""
) -> str:
    """A token as the portal makes them."""
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
            return _foreign(msgspec.json.decode(signed.payload, type=_Origin), is_staging)
        claims = msgspec.json.decode(signed.payload, type=_Claims)
    except (JoseError, ValueError, TypeError, RecursionError):  # `crit` may be of any type
        return INVALID
    return Token(
        id=claims.jti,
        scopes=shared(claims.roles if claims.scopes is None else claims.scopes),
        siret=DINUM if claims.jti == INTERNAL_ID else claims.siret,
        expires_at=claims.exp,
        not_before=claims.nbf,
    )


def _foreign(origin: _Origin, is_staging: bool) -> Refusal:
    """Anybody can write what it says: it chooses the words of a refusal, and nothing else."""
    if origin.is_staging == is_staging:
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
def shared(scopes: frozenset[str]) -> frozenset[str]:
    """The same: a gateway remembers many tokens, with few sets of scopes among them."""
    return scopes

"""The callers' tokens: where a request carries one, what it says, and how one is made (http-contract §2.1, §2.2)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Annotated, Literal, TypeAlias

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey
from msgspec import Meta as Limits
from msgspec import Struct

from bouquet_gateway.problems import Problem
from bouquet_proto.names import GATEWAY_PREFIX
from bouquet_proto.settings import Secret, SettingsError

Clock: TypeAlias = Callable[[], float]
Key: TypeAlias = OctKey | ECKey
Uuid: TypeAlias = Annotated[str, Limits(pattern=r"\A[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}\Z")]

ALGORITHMS: dict[type[Key], str] = {OctKey: "HS256", ECKey: "ES256"}
"""One to a kind of key: a public key is never taken for a shared secret."""

KEY_BYTES = 32
"""What HS256 asks for (RFC 7518 §3.2)."""

BEARER = re.compile(r"Bearer (\S.*)", re.DOTALL)
INTERNAL_ID = "00000000-0000-0000-0000-000000000000"
DINUM = "13002526500013"
"""The SIRET of whoever calls with the internal id."""


class Token(Struct, frozen=True):
    """What a verified token allows. The names that it also carries are not kept."""

    id: str
    scopes: frozenset[str]
    siret: str
    expires_at: float


class Carrier(Struct, frozen=True):
    """Where a request carries its token, and the token as it is written there."""

    place: Literal["bearer", "api_key", "query", "nowhere"] = "nowhere"
    text: str = ""


class _Claims(Struct, frozen=True):
    uid: Uuid
    jti: Uuid
    exp: float
    scopes: frozenset[str] | None = None
    roles: frozenset[str] = frozenset()
    """What older tokens have for scopes."""
    siret: str = ""


def carrier_of(headers: Mapping[str, str], query: Mapping[str, str]) -> Carrier:
    """On every version, the first that is there: bearer, API key, query. `Bearer` is case-sensitive.

    `query` is the server's own: the contract's `Query` forgets values as long as a token.
    """
    if bearer := BEARER.fullmatch(headers.get("Authorization", "")):
        return Carrier("bearer", bearer[1])
    if key := headers.get("X-Api-Key", ""):
        return Carrier("api_key", key)
    if token := query.get("token", ""):
        return Carrier("query", token)
    return Carrier()


class Tokens:
    """Verifies tokens, and remembers the last `max_known` good ones by their hash.

    A key with a name verifies the tokens that name it (`kid`); `secret`, which has none, any.
    """

    def __init__(
        self,
        secret: Secret,
        *,
        named_keys: tuple[tuple[str, Key], ...] = (),
        max_known: int = 10_000,
        clock: Clock = time.time,
    ) -> None:
        self._keys = (("", _key(secret)), *named_keys)
        self._max_known = max_known
        self._clock = clock
        self._known: dict[bytes, Token] = {}

    def verify(self, carrier: Carrier) -> Token:
        """Raises `Problem`: `token_invalid`, or `token_expired` for one that was good."""
        token = self._read(carrier.text)
        if token is None:
            raise Problem("token_invalid")
        if token.expires_at <= self._clock():
            raise Problem("token_expired")
        return token

    def pace_key(self, carrier: Carrier) -> str:
        """Of the token's id when it can be read, else of what stands in its place; empty without any (§4)."""
        if not carrier.text:
            return ""
        token = self._read(carrier.text)
        return _hash(token.id if token else carrier.text).hex()

    def _read(self, text: str) -> Token | None:
        """None for what we did not sign. Its expiry is not looked at."""
        digest = _hash(text)
        token = self._known.pop(digest, None) or _decode(text, self._keys)
        if token is not None:
            self._known[digest] = token  # the last of the dict is the last used
            if len(self._known) > self._max_known:
                del self._known[next(iter(self._known))]
        return token


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


def _decode(text: str, keys: Iterable[tuple[str, Key]]) -> Token | None:
    try:
        signed = jws.extract_compact(text.encode())
        named = ("", signed.headers().get("kid", ""))
        if not any(_signed_with(key, signed) for name, key in keys if name in named):
            return None
        claims = msgspec.json.decode(signed.payload, type=_Claims)
    except (JoseError, ValueError):
        return None
    return Token(
        id=claims.jti,
        scopes=claims.roles if claims.scopes is None else claims.scopes,
        siret=DINUM if claims.jti == INTERNAL_ID else claims.siret,
        expires_at=claims.exp,
    )


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


def _hash(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()

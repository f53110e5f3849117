"""Decryption and verification of FranceConnect's answers (JOSE messages), which are signed with ES256, then encrypted
with RSA-OAEP and A256GCM (docs/reference/upstreams/france_connect.md §2)."""
# Every error is `upstream_unknown`. Its `cause` names the step that failed, and quotes nothing of the message.

from __future__ import annotations

import asyncio
import re
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from bouquet_france_connect.upstream import Jwks
from bouquet_worker import UpstreamClient, UpstreamError

PrivateKeys: TypeAlias = tuple[RSAKey, ...]
"""Private keys of the worker, the current one first."""

KID = "api_particulier_rsa_oaep_jwks"
"""Name (`kid`) of the key that the worker publishes. The name stays the same when the key is replaced
(docs/reference/contract.md §5.5)."""
KEY_BITS = 2048
KEPT_S = 600.0
REQUEST_PAUSE_S = 5.0
# Messages with unknown key names would otherwise cause a request each.

# Unknown headers are accepted, since issuers repeat claims there (RFC 7519 §5.3). `crit` is checked all the same.
_JWE = jwe.JWERegistry(algorithms=("RSA-OAEP", "A256GCM"), strict_check_header=False)
_JWS = jws.JWSRegistry(algorithms=("ES256",), strict_check_header=False)
_UNREADABLE = (JoseError, ValueError, TypeError, AttributeError)
"""Exceptions that joserfc raises for malformed messages and keys."""

_PEM = re.compile(r"-----BEGIN (?:RSA )?PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END")


def private_keys(pem: str) -> PrivateKeys:
    """Returns the RSA keys in a PEM text. Raises `ValueError` if the text contains no key, a key that is not RSA, or a
    key of fewer than `KEY_BITS` bits."""
    # The text may have spaces in place of line ends.
    keys = [load_der_private_key(b64decode(body), password=None) for body in _PEM.findall(pem)]
    good = tuple(RSAKey.import_key(key) for key in keys if isinstance(key, RSAPrivateKey) and key.key_size >= KEY_BITS)
    if not good or len(good) < len(keys):
        raise ValueError
    return good


def published(key: RSAKey) -> dict[str, Any]:
    """Returns the public part of a key as a JWK, for FranceConnect to encrypt its answers with."""
    public = key.as_dict(private=False)
    return {"kty": "RSA", "kid": KID, "use": "enc", "alg": "RSA-OAEP", "n": public["n"], "e": public["e"]}


def decrypted(body: bytes, keys: PrivateKeys) -> bytes:
    """Returns the content of a message that is encrypted for one of the `keys`. Raises `UpstreamError` if no key can
    decrypt the message."""
    # Every key is tried: they all have one name, so that the message does not tell which was used.
    for key in keys:
        with suppress(*_UNREADABLE):
            return jwe.decrypt_compact(body.strip(), key, registry=_JWE).plaintext or b""
    raise UpstreamError("upstream_unknown", cause="not encrypted for the worker's keys")


class SigningKeys:
    """FranceConnect's public keys, for the verification of its signatures. The keys are requested again after `KEPT_S`
    seconds, or when a message names an unknown key.

    Args:
        api: Client of FranceConnect's API of keys.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, api: UpstreamClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._asking = asyncio.Lock()
        self._keys: tuple[ECKey, ...] = ()
        self._good_until = self._rests_until = float("-inf")

    async def verified(self, token: bytes) -> bytes:
        """Returns the payload of a signed message. Raises `UpstreamError` unless one of FranceConnect's keys signed
        it."""
        with _reading("not a signed message"):
            signed = jws.extract_compact(token, registry=_JWS)
            kid = signed.headers().get("kid")
        for key in await self._candidates(kid):
            with _reading("not a good signature"):
                if jws.validate_compact(signed, key, registry=_JWS):
                    return signed.payload
        raise UpstreamError("upstream_unknown", cause="signed by an unknown key")

    async def _candidates(self, kid: object) -> tuple[ECKey, ...]:
        """Returns the keys with which to verify a message: the key with the name `kid`, or all keys if `kid` is `None`.
        Returns an empty tuple for an unknown name. Raises `UpstreamError` if FranceConnect's keys cannot be
        requested."""
        # Requests FranceConnect's keys first if the remembered ones are too old or none has this name.
        async with self._asking:
            known = self._named(kid) if self._clock() < self._good_until else ()
            if not known and self._clock() >= self._rests_until:
                await self._renew()
                known = self._named(kid)
            return known

    def _named(self, kid: object) -> tuple[ECKey, ...]:
        return tuple(key for key in self._keys if kid in (None, key.kid))

    async def _renew(self) -> None:
        """Requests FranceConnect's keys and remembers them. Raises `UpstreamError` if the request fails
        (docs/reference/upstreams/france_connect.md §5)."""
        self._rests_until = self._clock() + REQUEST_PAUSE_S
        try:
            answer = await self._api.get()
            if answer.status != 200:
                raise answer.unexpected()
            self._keys = tuple(_signing_keys(answer.decode(Jwks)))
        except UpstreamError as error:
            raise UpstreamError("upstream_unknown", cause=f"keys: {error.reason} {error.cause}".strip()) from None
        self._good_until = self._clock() + KEPT_S


def _signing_keys(jwks: Jwks) -> Iterator[ECKey]:
    """Yields the keys of `jwks` that can verify an ES256 signature."""
    for jwk in jwks.keys:
        if (jwk.get("kty"), jwk.get("crv"), jwk.get("use", "sig")) == ("EC", "P-256", "sig"):
            with suppress(*_UNREADABLE, KeyError):
                yield ECKey.import_key(jwk)


@contextmanager
def _reading(cause: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE:
        raise UpstreamError("upstream_unknown", cause=cause) from None

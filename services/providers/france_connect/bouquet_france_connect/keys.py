"""Keys, and what they open: ours decrypt, FranceConnect's verify. The one place that knows JOSE.

Algorithms are named, never those that a message would like: RSA-OAEP with A256GCM around ES256
(docs/reference/upstreams/france_connect.md §2). Whatever is amiss is `upstream_unknown`; its log says which step
failed, and nothing of the message.
"""

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

KID = "api_particulier_rsa_oaep_jwks"
"""The name that FranceConnect knows our key by, whichever it is (docs/reference/contract.md §5.5)."""
KEY_BITS = 2048
KEPT_S = 600.0
REST_S = 5.0
"""How long FranceConnect's keys are not asked for again, come what may: an unknown name is no way to make us hammer."""

# Headers are not held to a list: issuers repeat claims there (RFC 7519 §5.3). `crit` is obeyed all the same.
_JWE = jwe.JWERegistry(algorithms=("RSA-OAEP", "A256GCM"), strict_check_header=False)
_JWS = jws.JWSRegistry(algorithms=("ES256",), strict_check_header=False)
_UNREADABLE = (JoseError, ValueError, TypeError, AttributeError)
"""What joserfc raises for what is not JOSE: a header that is a list, a name that is a number."""

_PEM = re.compile(r"-----BEGIN (?:RSA )?PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END")


def private_keys(pem: str) -> PrivateKeys:
    """In their order; line ends do not matter, so that they also fit in a line. Raises `ValueError`."""
    keys = [load_der_private_key(b64decode(body), password=None) for body in _PEM.findall(pem)]
    good = tuple(RSAKey.import_key(key) for key in keys if isinstance(key, RSAPrivateKey) and key.key_size >= KEY_BITS)
    if not good or len(good) < len(keys):
        raise ValueError
    return good


def published(key: RSAKey) -> dict[str, Any]:
    """A public key as FranceConnect reads it, to encrypt for us."""
    public = key.as_dict(private=False)
    return {"kty": "RSA", "kid": KID, "use": "enc", "alg": "RSA-OAEP", "n": public["n"], "e": public["e"]}


def decrypted(body: bytes, keys: PrivateKeys) -> bytes:
    """By whichever key can: they all have one name, so that the message's says nothing."""
    for key in keys:
        with suppress(*_UNREADABLE):
            return jwe.decrypt_compact(body.strip(), key, registry=_JWE).plaintext or b""
    raise UpstreamError("upstream_unknown", cause="not encrypted for us")


class SigningKeys:
    """FranceConnect's: remembered for ten minutes, and asked for again when a message names one that is not there."""

    def __init__(self, api: UpstreamClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._asking = asyncio.Lock()
        self._keys: tuple[ECKey, ...] = ()
        self._good_until = self._rests_until = float("-inf")

    async def verified(self, token: bytes) -> bytes:
        """The payload of a JWS that one of them signed."""
        with _reading("not a signed message"):
            signed = jws.extract_compact(token, registry=_JWS)
            kid = signed.headers().get("kid")
        for key in await self._candidates(kid):
            with _reading("not a good signature"):
                if jws.validate_compact(signed, key, registry=_JWS):
                    return signed.payload
        raise UpstreamError("upstream_unknown", cause="signature of nobody known")

    async def _candidates(self, kid: object) -> tuple[ECKey, ...]:
        """The key of that name; every key where there is no name. Callers share one request for them."""
        async with self._asking:
            known = self._named(kid) if self._clock() < self._good_until else ()
            if not known and self._clock() >= self._rests_until:
                await self._renew()
                known = self._named(kid)
            return known

    def _named(self, kid: object) -> tuple[ECKey, ...]:
        return tuple(key for key in self._keys if kid in (None, key.kid))

    async def _renew(self) -> None:
        """Without its keys FranceConnect is not understood, whatever keeps them from us
        (docs/reference/upstreams/france_connect.md §5)."""
        self._rests_until = self._clock() + REST_S
        try:
            answer = await self._api.get()
            if answer.status != 200:
                raise answer.unexpected()
            self._keys = tuple(_signing_keys(answer.decode(Jwks)))
        except UpstreamError as error:
            raise UpstreamError("upstream_unknown", cause=f"keys: {error.reason} {error.cause}".strip()) from None
        self._good_until = self._clock() + KEPT_S


def _signing_keys(jwks: Jwks) -> Iterator[ECKey]:
    """Those that may sign with ES256. One that cannot be read is not the others' fault."""
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

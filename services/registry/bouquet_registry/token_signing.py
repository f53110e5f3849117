"""Signing of tokens: makes the signed text (JWT) of a token, with the claims of docs/reference/contract.md §2.1."""
# The text is made each time that it is shown, and not stored.

from __future__ import annotations

from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OctKey
from msgspec import Struct

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_registry.editors.records import Editor, EditorToken
from bouquet_registry.habilitations import Habilitation, Token
from bouquet_registry.store import PREFIX

KEY_BYTES = 32
"""Smallest length of an HS256 key, in bytes (RFC 7518 §3.2)."""


class Signer:
    """Makes the signed text (JWT) of tokens, with the key in the setting `signing_key`. Raises `SettingsError` for an
    unusable key."""

    def __init__(self, secret: Secret) -> None:
        self._key = _key_of(secret)

    @property
    def kid(self) -> str:
        """Name of the signing key; empty for a shared secret without a name."""
        return self._key.kid or ""

    def sign(self, token: Token, habilitation: Habilitation) -> str:
        """Returns the JWT of a token, with the current scopes of the habilitation and the current expiry of the
        token."""
        own = {"sub": habilitation.purpose, "siret": habilitation.siret, "extra_info": {}}
        mcp = {"mcp": True} if token.mcp else {}
        return self._sign(token, {"scopes": habilitation.scopes} | own | mcp)

    def sign_for_editor(self, token: EditorToken, editor: Editor) -> str:
        """Returns the JWT of a software editor's token, which has an empty list of scopes and the claim `editor`."""
        return self._sign(token, {"scopes": (), "sub": editor.name, "editor": True})

    def _sign(self, token: Token | EditorToken, own: dict[str, Any]) -> str:
        algorithm = "ES256" if isinstance(self._key, ECKey) else "HS256"
        header = {"alg": algorithm} | ({"kid": self._key.kid} if self._key.kid else {})
        claims = {
            "uid": token.id,
            "jti": token.id,
            **own,
            "version": "1.0",
            "iat": int(token.issued_at.timestamp()),
            "exp": int(token.expires_at.timestamp()),
        }
        return jws.serialize_compact(header, msgspec.json.encode(claims), self._key, [algorithm])


def new_key(kid: str) -> str:
    """Returns, as JSON, a new private JWK for ES256 with the name `kid`."""
    key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})
    return msgspec.json.encode(key.as_dict(private=True)).decode()


class _KeySet(Struct, frozen=True):
    keys: tuple[dict[str, Any], ...] = ()


def verification_keys(secret: Secret, other_keys: bytes = b"{}") -> str:
    """Returns, as JSON, the key set (JWKS) with which gateways verify tokens signed with the key `secret`. Also
    contains the keys of the JWKS `other_keys`, such as the former key. Raises `SettingsError` if `secret` is not a JWK
    with a `kid`, or if `other_keys` is not a JWKS."""
    # A key of `other_keys` with the same `kid` is left out. If `secret` is a shared secret, it both signs and verifies,
    # so the set contains the secret itself.
    key = _key_of(secret)
    if not key.kid:
        raise SettingsError([f"{PREFIX}SIGNING_KEY: is no JWK with a kid"])
    try:
        others = [one for one in msgspec.json.decode(other_keys, type=_KeySet).keys if one.get("kid") != key.kid]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SettingsError(["--beside: is no key set"]) from None
    return msgspec.json.encode(_KeySet((*others, key.as_dict(private=isinstance(key, OctKey))))).decode()


def kid_if_known(secret: Secret, key_set: bytes) -> str | None:
    """Returns the `kid` of the signing key `secret` if gateways know the key, or else None. `key_set` is the JWKS with
    which gateways verify tokens. Raises `SettingsError` for a malformed set."""
    # The set must contain the key under the same `kid`.
    key = _key_of(secret)
    try:
        known = [JWKRegistry.import_key(one) for one in msgspec.json.decode(key_set, type=_KeySet).keys]
    except (JoseError, ValueError, KeyError, TypeError):
        raise SettingsError(["the gateways' keys: are no key set"]) from None
    is_known = any(one.kid == key.kid and one.thumbprint() == key.thumbprint() for one in known)
    return key.kid if is_known else None


def _key_of(secret: Secret) -> OctKey | ECKey:
    text = secret.reveal().strip()
    try:
        key = _jwk(text) if text.startswith("{") else _shared_secret(text)
    except (JoseError, ValueError, KeyError, TypeError):
        key = None
    match key:
        case OctKey() if len(key.raw_value) >= KEY_BYTES:
            return key
        case ECKey() if key.curve_name == "P-256" and key.is_private:
            return key
        case _:
            raise SettingsError(
                [f"{PREFIX}SIGNING_KEY: must be a secret of {KEY_BYTES} bytes at least, or a private JWK with a kid"]
            )


def _shared_secret(text: str) -> OctKey | None:
    """Returns a shared secret as a key, or None for a secret shorter than `KEY_BYTES`."""
    # It is not passed to the library, which would log a warning about a short one.
    return OctKey.import_key(text) if len(text.encode()) >= KEY_BYTES else None


def _jwk(text: str) -> object:
    key = JWKRegistry.import_key(msgspec.json.decode(text))
    if not key.kid:
        raise ValueError("no kid")
    return key

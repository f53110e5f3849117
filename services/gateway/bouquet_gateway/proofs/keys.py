"""Keys that seal (encrypt and authenticate) proofs, the texts that show later what an answer said. The current key
seals new proofs; former keys only open older proofs."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bouquet_gateway.access.tokens import KEY_BYTES
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_proto.names import GATEWAY_PREFIX

NONCE_BYTES = 12
NAME = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)
"""Pattern of the name of an encryption key, with which each encrypted text begins."""


class NotSealed(Exception):
    """Error for a text that no key of the gateway has sealed (encrypted), or that was sealed for another purpose."""


class KeyRing:
    """Keys that encrypt and authenticate contents by AES-256-GCM. A sealed text is the key's name, a full stop, and the
    encrypted content in base64url."""

    # A nonce is random: one key may seal 2³² contents (NIST SP 800-38D, clause 8.3).

    def __init__(self, keys: dict[str, Secret]) -> None:
        """Takes the secrets of the keys, by the keys' names. The first key encrypts new texts."""
        self._ciphers = {
            name: AESGCM(hmac.digest(secret.reveal().encode(), b"proof", "sha256")) for name, secret in keys.items()
        }
        self._current = next(iter(keys))

    def seal(self, content: bytes, purpose: str) -> str:
        """Encrypts and authenticates a content with the current key, and returns the result as text. Only `open` with
        the same `purpose` accepts this text."""
        name, nonce = self._current, os.urandom(NONCE_BYTES)
        return f"{name}.{_encoded(nonce + self._ciphers[name].encrypt(nonce, content, _bound_to(purpose, name)))}"

    def open(self, text: str, purpose: str) -> bytes:
        """Decrypts a text that `seal` has returned for the same purpose, and returns its content. Raises `NotSealed`
        for any other text."""
        name, _, encoded = text.partition(".")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise NotSealed
        try:
            sealed = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            # The last letter holds bits that decoding drops: a second spelling of a sealed text is no sealed text.
            if encoded != _encoded(sealed):
                raise NotSealed
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_to(purpose, name))
        except (binascii.Error, ValueError, InvalidTag):
            raise NotSealed from None


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bound_to(purpose: str, name: str) -> bytes:
    """Returns the additional authenticated data of a sealed (encrypted) text: its purpose and its key's name."""
    return f"{purpose} {name}".encode()


def ring_of(setting: Secret) -> KeyRing | None:
    """Returns the keys in the setting `proof_keys`, or `None` if the setting is empty. Raises `SettingsError` if the
    setting is malformed."""
    keys = keys_of(setting)
    return KeyRing(keys) if keys else None


def keys_of(setting: Secret) -> dict[str, Secret]:
    """Parses the setting `proof_keys`: secrets by name, given as `name:secret`, separated by commas. Raises
    `SettingsError` if the setting is malformed."""
    if not setting:
        return {}
    pairs = [entry.strip().partition(":")[::2] for entry in setting.reveal().split(",")]
    keys = {name: Secret(secret) for name, secret in pairs}
    if len(keys) < len(pairs):
        raise _wrong("must not give one name to two keys")
    if not all(NAME.fullmatch(name) and len(secret.encode()) >= KEY_BYTES for name, secret in pairs):
        raise _wrong(f"must be name:secret,… with names of at most 16 letters, digits, - or _, and {KEY_BYTES} bytes")
    return keys


def _wrong(need: str) -> SettingsError:
    return SettingsError([f"{GATEWAY_PREFIX}PROOF_KEYS: {need}"])

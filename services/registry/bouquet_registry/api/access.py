"""Access to the API: the secrets of its clients, and the TLS files of its port."""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Mapping
from hashlib import sha256

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.context import is_this_machine
from bouquet_mesh.tls.server import server_context
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import PREFIX

SECRET_BYTES = 32
"""Smallest length of a client's secret, in bytes."""
SECRETS = f"{PREFIX}API_SECRETS"
CERTIFICATE = f"{PREFIX}API_CERTIFICATE"


class Clients:
    """Clients of the API, each with a name and a secret."""

    def __init__(self, setting: Secret) -> None:
        """Parses the setting `api_secrets`, such as `portal:secret1,desk:secret2`. An empty setting means no clients.
        Raises `SettingsError` if a pair is malformed or a secret is shorter than `SECRET_BYTES`."""
        pairs = [pair.strip().partition(":") for pair in setting.reveal().split(",")] if setting else []
        if not all(name and len(secret.encode()) >= SECRET_BYTES for name, _, secret in pairs):
            raise SettingsError([f"{SECRETS}: must be name:secret,… with secrets of {SECRET_BYTES} bytes at least"])
        # Digests have one length, so that the time of a comparison tells nothing about the secrets.
        self._names = {_digest(secret): name for name, _, secret in pairs}
        self._own = Secret(pairs[0][2] if pairs else "")

    def __bool__(self) -> bool:
        """Returns whether at least one client has a secret."""
        return bool(self._names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._names.values()))

    def authorization(self) -> dict[str, str]:
        """Returns the header `Authorization` with the secret of the first client, for `bouquet-registry doctor api`.
        Returns an empty dictionary if no client has a secret."""
        return {"Authorization": f"Bearer {self._own.reveal()}"} if self._own else {}

    def name_of(self, headers: Mapping[str, str]) -> str:
        """Returns the name of the client that sent `headers`, found by the secret in the header `Authorization`.
        Returns "" if no client has this secret."""
        scheme, _, secret = headers.get("Authorization", "").partition(" ")
        given = _digest(secret.strip()) if scheme.lower() == "bearer" else b""
        return next((name for known, name in self._names.items() if hmac.compare_digest(known, given)), "")


def _digest(secret: str) -> bytes:
    return sha256(secret.encode(errors="surrogateescape")).digest()


def clients_of(settings: RegistrySettings) -> Clients:
    """Returns the clients in the setting `api_secrets`. Raises `SettingsError` if the setting is malformed or a secret
    is too short."""
    return Clients(settings.api_secrets)


def check_access(settings: RegistrySettings) -> ssl.SSLContext | None:
    """Returns the TLS context of the API's port, or None for a port without TLS. Raises `SettingsError` for unusable
    TLS files, if other machines could connect without TLS, or if clients need neither a secret nor a certificate."""
    has_clients = bool(clients_of(settings))
    if not settings.api_certificate:
        if settings.api_client_ca:
            raise SettingsError([f"{PREFIX}API_CLIENT_CA: needs {CERTIFICATE}"])
        # An empty address would be that of every network interface.
        if not (settings.api_host and is_this_machine(settings.api_host)):
            raise SettingsError([f"{PREFIX}API_HOST: must be this machine's loopback address without {CERTIFICATE}"])
    if not (has_clients or settings.api_client_ca):
        raise SettingsError([f"{SECRETS}: is required without {PREFIX}API_CLIENT_CA: anybody could call the API"])
    if not settings.api_certificate:
        return None
    return server_context(CERTIFICATE, settings.api_certificate, settings.api_key, settings.api_client_ca)

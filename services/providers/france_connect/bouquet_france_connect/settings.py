"""Settings of FranceConnect's worker, and the OAuth 2.0 clients and private keys that are read from these settings."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from bouquet_france_connect import keys
from bouquet_proto import france_connect_session
from bouquet_worker import Seconds, Secret, SettingsError, WorkerSettings, worker_prefix


class Settings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of FranceConnect's worker, from the environment variables `BOUQUET_FRANCE_CONNECT_*`."""

    checktoken_url: str
    """URL at which FranceConnect describes a citizen's access token (token introspection)."""
    jwks_url: str
    """URL of FranceConnect's public keys (JWKS), with which the worker verifies signatures."""
    issuer: str
    """Issuer of FranceConnect's answers (`iss`), such as `https://…/api/v2`."""
    clients: Secret
    """JSON object that maps each resource of the API to its OAuth 2.0 client at FranceConnect: `{"quotient_familial":
    {"id": "…", "secret": "…"}}`."""
    private_keys: Secret
    """RSA private keys, in PEM, with which the worker decrypts FranceConnect's answers. The public part of the first
    key is published. Older keys follow, for answers encrypted before a replacement."""
    timeout_s: Seconds = 5.0
    """Timeout of one call to FranceConnect, in seconds."""
    # The default is half of the time that a caller waits. The other half is left for the provider.


class Client(Struct, frozen=True):
    id: str
    secret: str


def clients_of(settings: Settings) -> dict[object, Client]:
    """Returns the worker's OAuth 2.0 clients at FranceConnect, by resource, such as `quotient_familial`. Raises
    `SettingsError` if `settings.clients` is not the documented JSON."""
    try:
        return dict(msgspec.json.decode(settings.clients.reveal(), type=dict[str, Client]))
    except msgspec.DecodeError:
        raise _wrong("CLIENTS", "must be a JSON object of `id` and `secret` by resource") from None


def private_keys_of(settings: Settings) -> keys.PrivateKeys:
    """Returns the private keys with which the worker decrypts FranceConnect's answers. The public part of the first key
    is published. Raises `SettingsError` unless all keys are readable RSA keys of 2048 bits or more."""
    try:
        return keys.private_keys(settings.private_keys.reveal())
    except ValueError:
        raise _wrong("PRIVATE_KEYS", f"must be RSA keys of {keys.KEY_BITS} bits or more, unencrypted, in PEM") from None


def _wrong(name: str, what: str) -> SettingsError:
    return SettingsError([f"{worker_prefix(france_connect_session.PROVIDER)}{name}: {what}"])

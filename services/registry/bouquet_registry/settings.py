"""The registry's settings, `BOUQUET_REGISTRY_*`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl
from bouquet_mesh.settings import Port


class RegistrySettings(Struct, frozen=True, kw_only=True):
    database_url: Secret = Secret("sqlite:///bouquet-registry.db")
    """`sqlite:///path`, an empty one gets its tables by itself; or `postgresql://user:password@host/name`, which is
    verified (`sslmode=verify-full`, the default) and may name its TLS files: `?sslrootcert=…&sslcert=…&sslkey=…`.
    `?sslmode=disable` is for a server on a developer's machine."""
    signing_key: Secret = Secret("")
    """Signs new tokens: the gateways' shared secret (HS256), or a private JWK with a `kid` (HS256 or ES256)."""
    concurrency: int = 50
    drain_s: float = 10.0
    host: str = "127.0.0.1"
    port: Port = 8010
    """Where `serve` answers DataPass, `/livez`, `/readyz` and `/metrics`."""
    datapass_secret: Secret = Secret("")
    """Signs the webhooks of DataPass. Empty: none is believed."""
    datapass_window_s: float = 24 * 3600.0
    """How old an event of DataPass may be: it tries again for a day."""
    notices_to: Annotated[Secret, ServerUrl(("smtp", "http"), "")] = Secret("")
    """Where notices before expiry go: `smtp(s)://user:password@host:port`, or the `https://` URL of a webhook. `smtp://`
    is by STARTTLS or not at all. `?cafile=…` names the authority of a mail server that the system does not know. Empty:
    nowhere."""
    notices_plain: bool = False
    """Lets notices go without TLS (`smtp://`, `http://`) to a server on a developer's machine; never a password."""
    notices_from: str = "ne-pas-repondre@bouquet.invalid"
    """Sender of the mails."""
    notices_secret: Secret = Secret("")
    """Signs the notices that go to a webhook, as DataPass signs its own."""
    notices_every_s: float = 3600.0
    journal: bool = True
    """Whether `serve` writes the access journal too, or leaves it to `bouquet-registry journal serve`."""
    journal_keys: Secret = Secret("")
    """`name:secret,…` of every key that the gateways made pseudonyms with: for `journal who-read` alone."""

"""The registry's settings, `BOUQUET_REGISTRY_*`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl
from bouquet_mesh.settings import Port


class RegistrySettings(Struct, frozen=True, kw_only=True):
    """Settings of the registry."""

    database_url: Secret = Secret("sqlite:///bouquet-registry.db")
    """URL of the database: `postgresql://user:password@host/name` or `sqlite:///path`. Several servers, a primary and
    its standbys, are written `@a:5432,b:5432/name`. The query string may give paths of PEM files for TLS:
    `sslrootcert`, `sslcert` and `sslkey`. On a developer's machine, `sslmode=disable` turns TLS off."""
    signing_key: Secret = Secret("")
    """Key that signs tokens: the secret shared with the gateways (HS256), or a private JWK with a `kid` (HS256 or
    ES256). Needed only by `api`, and by the commands that sign tokens or print the key set (`jwks`)."""
    concurrency: int = 50
    """Largest number of gateways' requests answered at a time. Further requests wait in the queue."""
    drain_s: float = 10.0
    """Seconds after SIGTERM within which requests under way may still be answered."""
    host: str = "127.0.0.1"
    """Address on which the HTTP server for webhooks, probes and metrics listens. Its port is the setting `port`."""
    port: Port = 8010
    """Port of the HTTP server of DataPass's webhooks, `/livez`, `/readyz` and `/metrics`."""
    datapass_secret: Secret = Secret("")
    """Secret with which DataPass signs its webhooks. If empty, the registry refuses all webhooks."""
    datapass_window_s: float = 24 * 3600.0
    """Largest age, in seconds, of a DataPass event that is accepted. The default is one day, because DataPass repeats
    an unanswered event for one day."""
    forms: str = ""
    """Path of the YAML file of DataPass's prefilled forms, which `bouquet-registry api` serves. `examples` stands for
    twelve examples that come with the registry. If empty, there are no forms."""
    notices_to: Annotated[Secret, ServerUrl(("smtp", "http"), "")] = Secret("")
    """Destination of the notices (warnings before a token expires). If empty, no notices are sent. A mail server is
    written `smtp(s)://user:password@host:port`, a webhook `https://…`. `smtp://` requires STARTTLS. `?cafile=…` is the
    PEM file of the mail server's certificate authority."""
    notices_plain: bool = False
    """Whether notices (warnings before a token expires) may be sent without TLS (`smtp://`, `http://`), for a server on
    a developer's machine. The URL must then contain no user, no password and no `cafile`."""
    notices_from: str = "ne-pas-repondre@bouquet.invalid"
    """Sender address of the notices (warnings before a token expires) that are sent by mail."""
    portal_url: str = ""
    """Address of the portal, `https://…`. Notices sent by mail link to its page `/compte`, which says how to prolong a
    token. If empty, mails refer to the administration that issued the token."""
    notices_secret: Secret = Secret("")
    """Secret that signs the notices (warnings before a token expires) sent to a webhook, in the same way as DataPass
    signs its webhooks. If empty, the notices are not signed."""
    notices_every_s: float = 3600.0
    """Seconds between two searches for notices (warnings before a token expires) that are due."""
    journal: bool = True
    """Whether `serve` also writes the access journal; if not, `bouquet-registry journal serve` must run beside it."""
    journal_keep_months: int = 0
    """Months after which the journal's writer removes records, day by day. 0 keeps all records until `journal prune` is
    run. On PostgreSQL, `migrate` needs the same value, to give the writer's role the right to remove records."""
    journal_keys: Secret = Secret("")
    """All present and former keys with which gateways have made pseudonyms of people, as `name:secret,…`. Only `journal
    who-read` needs these keys."""
    api_host: str = "127.0.0.1"
    """Address on which `bouquet-registry api` listens. Without `api_certificate`, it must be a loopback address."""
    api_port: Port = 8020
    """Port of the internal API of `bouquet-registry api`. The setting `port` is the port of this process's probes and
    metrics."""
    api_secrets: Secret = Secret("")
    """Secrets of the internal API's clients, each of 32 bytes or more, as `name:secret,…`. A client sends its secret as
    a bearer token. Required unless `api_client_ca` is set."""
    api_certificate: str = ""
    """Path of the PEM certificate of the internal API's port. If empty, the port has no TLS."""
    api_key: str = ""
    """Path of the PEM key that belongs to `api_certificate`; needed if `api_certificate` is set."""
    api_client_ca: str = ""
    """Path of a PEM file with the certificate authority of the internal API's clients. If set, a client needs a
    certificate signed by this authority."""

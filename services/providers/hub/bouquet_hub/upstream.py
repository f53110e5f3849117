"""The social-security hub as an upstream. Each benefit has its own URL, OAuth 2.0 client and scope at the hub
(docs/reference/upstreams/hub.md §1)."""

from __future__ import annotations

from ssl import SSLContext

from bouquet_worker import ClientCredentials, Seconds, Secret, Upstream, WorkerSettings, client_context, worker_prefix


class HubSettings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of a worker that asks the social-security hub for one benefit."""

    hub_url: str
    """Complete URL at which the social-security hub answers about the benefit. The hub's URLs have no common root."""
    hub_token_url: str
    """URL of the social-security hub's token endpoint."""
    hub_client_id: str
    """OAuth 2.0 client id of the worker, given by the social-security hub."""
    hub_client_secret: Secret
    """OAuth 2.0 client secret of the worker, given by the social-security hub."""
    hub_scope: str
    """OAuth 2.0 scope of the benefit, sent to the hub's token endpoint."""
    hub_certificate_path: str = ""
    """Path of the PEM client certificate that the worker shows to the social-security hub and its token endpoint. Empty
    for none."""
    hub_key_path: str = ""
    """Path of the PEM private key of the client certificate; empty if the certificate's file contains the key."""
    hub_ca_path: str = ""
    """Path of the PEM certificate of the authority that signed the social-security hub's certificate. Empty if the
    system trusts this authority."""
    hub_timeout_s: Seconds | None = None
    """Timeout of one call to the social-security hub, in seconds. By default, the worker's setting `TIMEOUT_S`
    applies."""


def hub_upstream(provider: str, name: str, settings: HubSettings) -> Upstream:
    """Declares the social-security hub as an upstream of `provider`. `name` is the upstream's name in metrics and logs.
    Raises `SettingsError` for unusable certificates."""
    # The declaration maps no HTTP status to a failure, because `answers.refusal_of` decides by the body and a header
    # too.
    return Upstream(
        f"{provider} {name}",
        settings.hub_url,
        auth=ClientCredentials(
            settings.hub_token_url,
            settings.hub_client_id,
            settings.hub_client_secret,
            style="basic_urlsafe",
            form={"scope": settings.hub_scope},
        ),
        timeout_s=settings.hub_timeout_s,
        ssl=hub_tls(provider, settings),
    )


def hub_tls(provider: str, settings: HubSettings) -> SSLContext | None:
    """Returns the TLS context for the social-security hub, or `None` if no setting gives the path of a certificate or
    key. Raises `SettingsError` for unusable files."""
    files = (settings.hub_ca_path, settings.hub_certificate_path, settings.hub_key_path)
    setting = f"{worker_prefix(provider)}HUB_CERTIFICATE_PATH"
    return client_context(setting, settings.hub_url, *files) if any(files) else None

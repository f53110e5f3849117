"""The hub as an upstream: a worker of it has an URL, a client and a scope for each prestation
(docs/reference/upstreams/hub.md §1)."""

from __future__ import annotations

from ssl import SSLContext

from bouquet_worker import ClientCredentials, Secret, Upstream, WorkerSettings, client_context, worker_prefix


class HubSettings(WorkerSettings, frozen=True, kw_only=True):
    hub_url: str
    """Of the prestation, whole: the hub has no common root."""
    hub_token_url: str
    hub_client_id: str
    hub_client_secret: Secret
    hub_scope: str
    hub_certificate_path: str = ""
    """Of our client certificate, PEM, where the hub asks for one; its token endpoint sees it too."""
    hub_key_path: str = ""
    """Of its key, where it is not in the same file."""
    hub_ca_path: str = ""
    """Of the authority that signed the hub's certificate, where the system does not know it."""
    hub_timeout_s: float | None = None
    """Seconds that one call to the hub may take; `TIMEOUT_S` where it is not given."""


def hub_upstream(provider: str, name: str, settings: HubSettings) -> Upstream:
    """The hub as `provider` asks it. Raises `SettingsError` where its certificates cannot be used.

    No status is named a failure here: only `answers.refusal_of`, which sees the header too, can tell.
    """
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
    """How `provider` connects to the hub; `None` where the settings name no file. Raises `SettingsError`."""
    files = (settings.hub_ca_path, settings.hub_certificate_path, settings.hub_key_path)
    setting = f"{worker_prefix(provider)}HUB_CERTIFICATE_PATH"
    return client_context(setting, settings.hub_url, *files) if any(files) else None

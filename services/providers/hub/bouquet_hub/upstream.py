"""The hub as an upstream: a worker of it has an URL, a client and a scope for each prestation (upstreams/03 §3.1)."""

from __future__ import annotations

from ssl import SSLContext

from bouquet_worker import ClientCredentials, Secret, Upstream, WorkerSettings, client_context, worker_prefix
from bouquet_worker.metrics import provider


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
    hub_timeout_s: float = 10.0


def open_hub(name: str, settings: HubSettings) -> Upstream:
    """No status is named a failure here: only `answers.refusal_of`, which sees the header too, can tell."""
    return Upstream(
        name,
        settings.hub_url,
        auth=ClientCredentials(
            settings.hub_token_url,
            settings.hub_client_id,
            settings.hub_client_secret,
            style="basic_urlsafe",
            form={"scope": settings.hub_scope},
        ),
        timeout_s=settings.hub_timeout_s,
        concurrency=settings.concurrency,
        calls_per_minute=settings.upstream_calls_per_minute,
        ssl=_tls(settings),
    )


def _tls(settings: HubSettings) -> SSLContext | None:
    """The system's own where nothing is named."""
    files = (settings.hub_ca_path, settings.hub_certificate_path, settings.hub_key_path)
    setting = f"{worker_prefix(provider.get())}HUB_CERTIFICATE_PATH"
    return client_context(setting, settings.hub_url, *files) if any(files) else None

"""What the hub gave for each prestation: an URL, a client and a scope (upstreams/03 §3.1).

Written out, so that each variable can be searched for, and is in docs/settings.md.
"""

from __future__ import annotations

from bouquet_hub.upstream import HubSettings
from bouquet_proto.settings import Secret
from bouquet_worker.worker import WorkerSettings


class Settings(WorkerSettings, frozen=True, kw_only=True):
    hub_token_url: str
    """One for all prestations; each has a token of its own."""
    hub_timeout_s: float = 10.0
    c2s_url: str
    c2s_client_id: str
    c2s_client_secret: Secret
    c2s_scope: str
    rsa_url: str
    rsa_client_id: str
    rsa_client_secret: Secret
    rsa_scope: str
    ppa_url: str
    ppa_client_id: str
    ppa_client_secret: Secret
    ppa_scope: str
    aah_url: str
    aah_client_id: str
    aah_client_secret: Secret
    aah_scope: str
    asf_url: str
    asf_client_id: str
    asf_client_secret: Secret
    asf_scope: str
    aeeh_url: str
    aeeh_client_id: str
    aeeh_client_secret: Secret
    aeeh_scope: str
    eaje_url: str
    eaje_client_id: str
    eaje_client_secret: Secret
    eaje_scope: str


def of_prestation(name: str, settings: Settings) -> HubSettings:
    """As for a worker of that prestation alone."""
    own = {field: getattr(settings, f"{name}_{field}") for field in ("url", "client_id", "client_secret", "scope")}
    return HubSettings(
        concurrency=settings.concurrency,
        upstream_calls_per_minute=settings.upstream_calls_per_minute,
        hub_token_url=settings.hub_token_url,
        hub_timeout_s=settings.hub_timeout_s,
        **{f"hub_{field}": value for field, value in own.items()},
    )

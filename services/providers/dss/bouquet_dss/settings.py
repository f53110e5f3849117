"""What the hub gave for each prestation: an URL, a client and a scope (docs/reference/upstreams/hub.md §1).

Written out, so that each variable can be searched for, and is in docs/settings.md.
"""

from __future__ import annotations

from bouquet_hub.upstream import HubSettings
from bouquet_worker import Secret, WorkerSettings


class Settings(WorkerSettings, frozen=True, kw_only=True):
    hub_token_url: str
    """One for all prestations; each has a token of its own."""
    hub_certificate_path: str = ""
    """Of our client certificate, PEM, where the hub asks for one; its token endpoint sees it too."""
    hub_key_path: str = ""
    """Of its key, where it is not in the same file."""
    hub_ca_path: str = ""
    """Of the authority that signed the hub's certificate, where the system does not know it."""
    hub_timeout_s: float | None = None
    """Seconds that one call to the hub may take; `TIMEOUT_S` where it is not given."""
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
    ars_url: str
    ars_client_id: str
    ars_client_secret: Secret
    ars_scope: str
    eaje_url: str
    eaje_client_id: str
    eaje_client_secret: Secret
    eaje_scope: str


OWN = ("url", "client_id", "client_secret", "scope")
"""What each prestation has for itself; all else of a hub's settings is shared."""


def of_prestation(name: str, settings: Settings) -> HubSettings:
    """As for a worker of that prestation alone."""
    own = {f"hub_{field}": getattr(settings, f"{name}_{field}") for field in OWN}
    shared = {field: getattr(settings, field) for field in HubSettings.__struct_fields__ if field not in own}
    return HubSettings(**own, **shared)

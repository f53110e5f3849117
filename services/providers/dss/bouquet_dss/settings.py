"""Settings of the worker for eight benefits, each with its own URL, OAuth 2.0 client and scope
(docs/reference/upstreams/hub.md §1)."""

from __future__ import annotations

from bouquet_hub.upstream import HubSettings
from bouquet_worker import Seconds, Secret, WorkerSettings


class Settings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of the worker, from `BOUQUET_DSS_*`."""

    hub_token_url: str
    """URL of the hub's token endpoint, one for all benefits."""
    hub_certificate_path: str = ""
    """Path of the PEM client certificate, where the hub or its token endpoint requires one."""
    hub_key_path: str = ""
    """Path of the PEM key of the client certificate, where the certificate's file does not hold it."""
    hub_ca_path: str = ""
    """Path of the PEM certificate of the authority that signed the hub's certificate, where the system does not trust
    it."""
    hub_timeout_s: Seconds | None = None
    """Timeout of one call to the hub, in seconds; by default the worker's `TIMEOUT_S`."""
    c2s_url: str
    """URL of the hub for the complémentaire santé solidaire (C2S)."""
    c2s_client_id: str
    """OAuth 2.0 client id that the hub gave for the complémentaire santé solidaire (C2S)."""
    c2s_client_secret: Secret
    """OAuth 2.0 client secret that the hub gave for the complémentaire santé solidaire (C2S)."""
    c2s_scope: str
    """OAuth 2.0 scope of the complémentaire santé solidaire (C2S), sent to the token endpoint."""
    rsa_url: str
    """URL of the hub for the revenu de solidarité active (RSA)."""
    rsa_client_id: str
    """OAuth 2.0 client id that the hub gave for the revenu de solidarité active (RSA)."""
    rsa_client_secret: Secret
    """OAuth 2.0 client secret that the hub gave for the revenu de solidarité active (RSA)."""
    rsa_scope: str
    """OAuth 2.0 scope of the revenu de solidarité active (RSA), sent to the token endpoint."""
    ppa_url: str
    """URL of the hub for the prime d'activité."""
    ppa_client_id: str
    """OAuth 2.0 client id that the hub gave for the prime d'activité."""
    ppa_client_secret: Secret
    """OAuth 2.0 client secret that the hub gave for the prime d'activité."""
    ppa_scope: str
    """OAuth 2.0 scope of the prime d'activité, sent to the token endpoint."""
    aah_url: str
    """URL of the hub for the allocation adulte handicapé (AAH)."""
    aah_client_id: str
    """OAuth 2.0 client id that the hub gave for the allocation adulte handicapé (AAH)."""
    aah_client_secret: Secret
    """OAuth 2.0 client secret that the hub gave for the allocation adulte handicapé (AAH)."""
    aah_scope: str
    """OAuth 2.0 scope of the allocation adulte handicapé (AAH), sent to the token endpoint."""
    asf_url: str
    """URL of the hub for the allocation de soutien familial (ASF)."""
    asf_client_id: str
    """OAuth 2.0 client id that the hub gave for the allocation de soutien familial (ASF)."""
    asf_client_secret: Secret
    """OAuth 2.0 client secret that the hub gave for the allocation de soutien familial (ASF)."""
    asf_scope: str
    """OAuth 2.0 scope of the allocation de soutien familial (ASF), sent to the token endpoint."""
    aeeh_url: str
    """URL of the hub for the allocation d'éducation de l'enfant handicapé (AEEH)."""
    aeeh_client_id: str
    """OAuth 2.0 client id that the hub gave for the allocation d'éducation de l'enfant handicapé (AEEH)."""
    aeeh_client_secret: Secret
    """OAuth 2.0 client secret that the hub gave for the allocation d'éducation de l'enfant handicapé (AEEH)."""
    aeeh_scope: str
    """OAuth 2.0 scope of the allocation d'éducation de l'enfant handicapé (AEEH), sent to the token endpoint."""
    ars_url: str
    """URL of the hub for the allocation de rentrée scolaire (ARS)."""
    ars_client_id: str
    """OAuth 2.0 client id that the hub gave for the allocation de rentrée scolaire (ARS)."""
    ars_client_secret: Secret
    """OAuth 2.0 client secret that the hub gave for the allocation de rentrée scolaire (ARS)."""
    ars_scope: str
    """OAuth 2.0 scope of the allocation de rentrée scolaire (ARS), sent to the token endpoint."""
    eaje_url: str
    """URL of the hub for the participation familiale (EAJE)."""
    eaje_client_id: str
    """OAuth 2.0 client id that the hub gave for the participation familiale (EAJE)."""
    eaje_client_secret: Secret
    """OAuth 2.0 client secret that the hub gave for the participation familiale (EAJE)."""
    eaje_scope: str
    """OAuth 2.0 scope of the participation familiale (EAJE), sent to the token endpoint."""


OWN = ("url", "client_id", "client_secret", "scope")
"""Settings that each benefit has for itself, such as `url`, which is `rsa_url` for one benefit and `c2s_url` for
another. The benefits share all other settings."""


def hub_settings_of(name: str, settings: Settings) -> HubSettings:
    """Returns the settings for asking the hub about the benefit `name`: the benefit's own settings, and those that all
    benefits share."""
    own = {f"hub_{field}": getattr(settings, f"{name}_{field}") for field in OWN}
    shared = {field: getattr(settings, field) for field in HubSettings.__struct_fields__ if field not in own}
    return HubSettings(**own, **shared)

"""Settings of the worker for eight benefits, each with its own URL, OAuth 2.0 client and scope
(docs/reference/upstreams/hub.md §1)."""

from __future__ import annotations

from bouquet_hub.upstream import HubSettings
from bouquet_worker import Seconds, Secret, WorkerSettings


class Settings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of the worker for eight social-security benefits, from the environment variables `BOUQUET_DSS_*`."""

    hub_token_url: str
    """URL of the social-security hub's token endpoint, the same for all benefits."""
    hub_certificate_path: str = ""
    """Path of the PEM client certificate with which the worker authenticates itself to the social-security hub and the
    hub's token endpoint; empty for none."""
    hub_key_path: str = ""
    """Path of the PEM private key of the client certificate; empty if the certificate's file contains the key."""
    hub_ca_path: str = ""
    """Path of the PEM certificate of the authority that signed the social-security hub's certificate; empty for an
    authority that the system trusts."""
    hub_timeout_s: Seconds | None = None
    """Timeout of one call to the social-security hub, in seconds; by default the value of `BOUQUET_DSS_TIMEOUT_S`."""
    c2s_url: str
    """URL at which the social-security hub answers about the complémentaire santé solidaire (C2S)."""
    c2s_client_id: str
    """OAuth 2.0 client id that the social-security hub gave for the complémentaire santé solidaire (C2S)."""
    c2s_client_secret: Secret
    """OAuth 2.0 client secret that the social-security hub gave for the complémentaire santé solidaire (C2S)."""
    c2s_scope: str
    """OAuth 2.0 scope of the complémentaire santé solidaire (C2S), sent to the token endpoint."""
    rsa_url: str
    """URL at which the social-security hub answers about the revenu de solidarité active (RSA)."""
    rsa_client_id: str
    """OAuth 2.0 client id that the social-security hub gave for the revenu de solidarité active (RSA)."""
    rsa_client_secret: Secret
    """OAuth 2.0 client secret that the social-security hub gave for the revenu de solidarité active (RSA)."""
    rsa_scope: str
    """OAuth 2.0 scope of the revenu de solidarité active (RSA), sent to the token endpoint."""
    ppa_url: str
    """URL at which the social-security hub answers about the prime d'activité."""
    ppa_client_id: str
    """OAuth 2.0 client id that the social-security hub gave for the prime d'activité."""
    ppa_client_secret: Secret
    """OAuth 2.0 client secret that the social-security hub gave for the prime d'activité."""
    ppa_scope: str
    """OAuth 2.0 scope of the prime d'activité, sent to the token endpoint."""
    aah_url: str
    """URL at which the social-security hub answers about the allocation adulte handicapé (AAH)."""
    aah_client_id: str
    """OAuth 2.0 client id that the social-security hub gave for the allocation adulte handicapé (AAH)."""
    aah_client_secret: Secret
    """OAuth 2.0 client secret that the social-security hub gave for the allocation adulte handicapé (AAH)."""
    aah_scope: str
    """OAuth 2.0 scope of the allocation adulte handicapé (AAH), sent to the token endpoint."""
    asf_url: str
    """URL at which the social-security hub answers about the allocation de soutien familial (ASF)."""
    asf_client_id: str
    """OAuth 2.0 client id that the social-security hub gave for the allocation de soutien familial (ASF)."""
    asf_client_secret: Secret
    """OAuth 2.0 client secret that the social-security hub gave for the allocation de soutien familial (ASF)."""
    asf_scope: str
    """OAuth 2.0 scope of the allocation de soutien familial (ASF), sent to the token endpoint."""
    aeeh_url: str
    """URL at which the social-security hub answers about the allocation d'éducation de l'enfant handicapé (AEEH)."""
    aeeh_client_id: str
    """OAuth 2.0 client id that the social-security hub gave for the allocation d'éducation de l'enfant handicapé
    (AEEH)."""
    aeeh_client_secret: Secret
    """OAuth 2.0 client secret that the social-security hub gave for the allocation d'éducation de l'enfant handicapé
    (AEEH)."""
    aeeh_scope: str
    """OAuth 2.0 scope of the allocation d'éducation de l'enfant handicapé (AEEH), sent to the token endpoint."""
    ars_url: str
    """URL at which the social-security hub answers about the allocation de rentrée scolaire (ARS)."""
    ars_client_id: str
    """OAuth 2.0 client id that the social-security hub gave for the allocation de rentrée scolaire (ARS)."""
    ars_client_secret: Secret
    """OAuth 2.0 client secret that the social-security hub gave for the allocation de rentrée scolaire (ARS)."""
    ars_scope: str
    """OAuth 2.0 scope of the allocation de rentrée scolaire (ARS), sent to the token endpoint."""
    eaje_url: str
    """URL at which the social-security hub answers about the participation familiale (EAJE)."""
    eaje_client_id: str
    """OAuth 2.0 client id that the social-security hub gave for the participation familiale (EAJE)."""
    eaje_client_secret: Secret
    """OAuth 2.0 client secret that the social-security hub gave for the participation familiale (EAJE)."""
    eaje_scope: str
    """OAuth 2.0 scope of the participation familiale (EAJE), sent to the token endpoint."""


BENEFIT_SETTINGS = ("url", "client_id", "client_secret", "scope")
"""Names of the settings that each benefit has for itself, without the benefit's prefix. For example, `url` stands for
`rsa_url` and `ppa_url`."""


def hub_settings_of(name: str, settings: Settings) -> HubSettings:
    """Returns the settings for asking the social-security hub about the benefit `name`: the benefit's own settings, and
    the settings that all benefits share."""
    own = {f"hub_{field}": getattr(settings, f"{name}_{field}") for field in BENEFIT_SETTINGS}
    shared = {field: getattr(settings, field) for field in HubSettings.__struct_fields__ if field not in own}
    return HubSettings(**own, **shared)

"""Settings of CNAF's worker for its two upstreams, and the TLS context for the SOAP service
(docs/reference/upstreams/cnaf.md §1)."""

from __future__ import annotations

from ssl import SSLContext

from bouquet_hub.upstream import HubSettings
from bouquet_worker import Seconds, client_context, worker_prefix


class Settings(HubSettings, frozen=True, kw_only=True):
    """Settings of CNAF's worker, from the environment variables `BOUQUET_CNAF_*`."""

    soap_url: str
    """URL of the CAF's SOAP service, which answers requests about a family's file."""
    soap_certificate_path: str = ""
    """Path of the PEM client certificate with which the worker authenticates itself to the SOAP service; empty for
    none."""
    soap_key_path: str = ""
    """Path of the PEM private key of the client certificate; empty if the certificate's file contains the key."""
    soap_ca_path: str = ""
    """Path of the PEM certificate of the authority that signed the SOAP service's certificate; empty for an authority
    that the system trusts."""
    soap_timeout_s: Seconds | None = None
    """Timeout of one call to the SOAP service, in seconds; by default the value of `BOUQUET_CNAF_TIMEOUT_S`."""


def soap_tls(settings: Settings) -> SSLContext:
    """Returns the TLS context for the SOAP service. Raises `SettingsError` for unusable certificates."""
    files = (settings.soap_ca_path, settings.soap_certificate_path, settings.soap_key_path)
    return client_context(f"{worker_prefix('cnaf')}SOAP_URL", settings.soap_url, *files)

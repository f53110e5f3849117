"""Settings of the ANTS's worker, with the TLS context and the signer of assertions made from these settings
(docs/reference/upstreams/ants.md §1-2)."""

from __future__ import annotations

import re
from ssl import SSLContext

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificate

from bouquet_ants.assertion import Signer
from bouquet_worker import Secret, SettingsError, WorkerSettings, client_context, worker_prefix

KEY_BITS = 2048
"""Smallest size, in bits, of the RSA key that signs SAML assertions."""
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----([\sA-Za-z0-9+/=]+)-----END \1-----")


class Settings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of the worker for the ANTS, read from the environment variables `BOUQUET_ANTS_*`."""

    url: str
    """URL of the SOAP service of the SIV, the State's register of vehicles."""
    certificate_path: str = ""
    """Path of the PEM client certificate with which the worker authenticates itself to the SIV; empty for none."""
    key_path: str = ""
    """Path of the PEM private key of the client certificate; empty if the certificate's file contains the key."""
    ca_path: str = ""
    """Path of the PEM certificate of the authority that signed the SIV's certificate. If empty, the worker trusts the
    system's authorities."""
    assertion_key: Secret
    """RSA private key that signs SAML assertions: unencrypted PEM, 2048 bits or more."""
    assertion_certificate: str
    """PEM certificate of `assertion_key`, as registered at the ANTS."""
    identity_provider: str
    """Issuer of the SAML assertions: the name that the ANTS gave the platform as an identity provider."""
    partner_code: str
    """Code that the ANTS gave the platform as a partner, sent in each request (`code_partenaire`)."""
    miat_code: str
    """Code that the ANTS gave the platform's application, sent in each request (`code_miat`)."""
    concentrator_code: str
    """Code that the ANTS gave the platform as a "concentrator", sent in each SAML assertion (`CodePartenaire`)."""


def siv_tls(settings: Settings) -> SSLContext:
    """Returns the TLS context for the SIV. Raises `SettingsError` for unusable certificates."""
    files = (settings.ca_path, settings.certificate_path, settings.key_path)
    return client_context(f"{worker_prefix('ants')}URL", settings.url, *files)


def signer_of(settings: Settings) -> Signer:
    """Returns the signer of assertions. Raises `SettingsError` for an unusable key or certificate."""
    return Signer(
        key=_key_of(settings),
        certificate=_certificate_of(settings),
        issuer=settings.identity_provider,
        concentrator=settings.concentrator_code,
    )


def check_signer(settings: Settings) -> None:
    """Raises `SettingsError` if the key or the certificate for assertions is unusable, or if they do not belong
    together."""
    signer = signer_of(settings)
    if signer.certificate.public_key() != signer.key.public_key():
        raise _wrong("ASSERTION_CERTIFICATE", "must be the certificate of ASSERTION_KEY")


def _key_of(settings: Settings) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(_pem(settings.assertion_key.reveal()), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size < KEY_BITS:
        raise _wrong("ASSERTION_KEY", f"must be an RSA key of {KEY_BITS} bits or more, unencrypted, in PEM")
    return key


def _certificate_of(settings: Settings) -> Certificate:
    try:
        return load_pem_x509_certificate(_pem(settings.assertion_certificate))
    except ValueError:
        raise _wrong("ASSERTION_CERTIFICATE", "must be an X.509 certificate in PEM") from None


def _pem(text: str) -> bytes:
    """Converts the value of a setting to PEM with line ends. `text` may have spaces in place of line ends. Raises
    `ValueError` for a text that is not PEM."""
    found = _PEM.search(text)
    if found is None:
        raise ValueError("no PEM")
    label, body = found.groups()
    return "\n".join((f"-----BEGIN {label}-----", *body.split(), f"-----END {label}-----", "")).encode()


def _wrong(name: str, what: str) -> SettingsError:
    return SettingsError([f"{worker_prefix('ants')}{name}: {what}"])

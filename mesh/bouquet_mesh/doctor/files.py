"""Checks of TLS certificates that the `doctor` commands make: of certificates in files, and of certificates that
servers have shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509

from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import each_server
from bouquet_mesh.tls.certificates import server_certificate_end
from bouquet_mesh.tls.context import CA_FILE, CERTIFICATE

SOON_DAYS = 30
RENEWAL_REMEDY = "renew it; it is read anew at each connection"


def check_certificates(setting: str, url: Secret) -> Iterator[Finding]:
    """Checks each certificate file named in the query string of `url`, such as `ca.pem` in `?cafile=ca.pem`. The
    setting named `setting` holds this URL."""
    for name, value in parse_qsl(urlsplit(each_server(url.reveal())[0]).query):
        if name in (*CA_FILE, *CERTIFICATE):
            yield check_certificate(f"certificate of {setting} ({name})", Path(value), RENEWAL_REMEDY)


def check_servers(setting: str, url: Secret) -> Iterator[Finding]:
    """Checks when the certificate of each server in `url` expires. Skips a server to which this process has made no TLS
    connection. The setting named `setting` holds this URL."""
    for server in each_server(url.reveal()):
        host = urlsplit(server).hostname or ""
        ends = server_certificate_end(host)
        if ends is not None:
            subject = f"certificate of {host} ({setting})"
            yield validity_finding(subject, datetime.fromtimestamp(ends, UTC), "ask its owner to renew it")


def check_certificate(subject: str, path: Path, remedy: str) -> Finding:
    """Checks that the certificates in a PEM file can be read and do not expire soon. Returns the result for the
    certificate that expires first."""
    try:
        ends = min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        return wrong(subject, f"cannot be read ({type(error).__name__})", "put a PEM file there")
    return validity_finding(subject, ends, remedy)


def validity_finding(subject: str, ends: datetime, remedy: str) -> Finding:
    """Returns the result of the check of a certificate that expires at `ends`. The check fails if the certificate has
    expired or expires within `SOON_DAYS` days. `subject` names the check, and `remedy` is the advice to the
    operator."""
    left = (ends - datetime.now(UTC)).days
    if left < 0:
        return wrong(subject, f"ended on {ends:%Y-%m-%d}", remedy)
    if left < SOON_DAYS:
        return wrong(subject, f"ends on {ends:%Y-%m-%d}, in {left} days", remedy)
    return well(subject, f"good until {ends:%Y-%m-%d}")

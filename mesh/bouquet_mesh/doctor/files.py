"""The certificates that settings name: whether they can be read, and when they end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509

from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import each_server
from bouquet_mesh.tls.context import CA_FILE, CERTIFICATE

SOON_DAYS = 30
AT_ONCE = "renew it; it is read anew at each connection"


def certificates(setting: str, url: Secret) -> Iterator[Finding]:
    """Of the files that a url names."""
    for name, value in parse_qsl(urlsplit(each_server(url.reveal())[0]).query):
        if name in (*CA_FILE, *CERTIFICATE):
            yield certificate(f"certificate of {setting} ({name})", Path(value), AT_ONCE)


def certificate(subject: str, path: Path, remedy: str) -> Finding:
    """Of several in one file, the one that ends first."""
    try:
        ends = min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        return wrong(subject, f"cannot be read ({type(error).__name__})", "put a PEM file there")
    return until(subject, ends, remedy)


def until(subject: str, ends: datetime, remedy: str) -> Finding:
    """What there is to say of a certificate, by its end."""
    left = (ends - datetime.now(UTC)).days
    if left < 0:
        return wrong(subject, f"ended on {ends:%Y-%m-%d}", remedy)
    if left < SOON_DAYS:
        return wrong(subject, f"ends on {ends:%Y-%m-%d}, in {left} days", remedy)
    return well(subject, f"good until {ends:%Y-%m-%d}")

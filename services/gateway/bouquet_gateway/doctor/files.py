"""What is on this machine: the certificates that urls name, and the journal's spool."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509

from bouquet_gateway.doctor.findings import Finding, well, wrong
from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.spool import FILLING_AT
from bouquet_proto.names import GATEWAY_PREFIX
from bouquet_proto.settings import Secret
from bouquet_proto.tls import CA_FILE, CERTIFICATE

SOON_DAYS = 30
RENEW = "renew it; it is read anew at each connection"


def certificates(setting: str, url: Secret) -> Iterator[Finding]:
    """Of each file, the one that ends first."""
    for name, value in parse_qsl(urlsplit(url.reveal()).query):
        if name in (*CA_FILE, *CERTIFICATE):
            yield _certificate(f"certificate of {setting} ({name})", Path(value))


def _certificate(subject: str, path: Path) -> Finding:
    try:
        ends = min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        return wrong(subject, f"cannot be read ({type(error).__name__})", "put a PEM file there")
    left = (ends - datetime.now(UTC)).days
    if left < 0:
        return wrong(subject, f"ended on {ends:%Y-%m-%d}", RENEW)
    if left < SOON_DAYS:
        return wrong(subject, f"ends on {ends:%Y-%m-%d}, in {left} days", RENEW)
    return well(subject, f"good until {ends:%Y-%m-%d}")


def spool(settings: GatewaySettings) -> Finding:
    """That of all the processes which share the folder, against the bound of one."""
    subject, folder, most = "journal spool", Path(settings.journal_spool), settings.journal_spool_max_bytes
    setting = f"{GATEWAY_PREFIX}JOURNAL_SPOOL"
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
        used = sum(file.stat().st_size for file in folder.rglob("*.jsonl")) if parent == folder else 0
    except OSError as error:
        return wrong(subject, f"cannot be written ({os.strerror(error.errno or 0)})", f"mend the folder of {setting}")
    if used > most * FILLING_AT:
        remedy = "records are not taken away: look at the journal above; at 95 % calls are refused"
        return wrong(subject, f"holds {used:,} bytes of {most:,}", remedy)
    return well(subject, f"can be written, holds {used:,} bytes of {most:,}")

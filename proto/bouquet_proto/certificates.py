"""When the certificates end that settings name, as a metric. Files are read at each scrape, so that a renewal shows."""

from __future__ import annotations

from functools import partial
from math import nan
from pathlib import Path

from bouquet_proto.metrics import CERTIFICATE_END


def watch(setting: str, *, authority: str, own: str) -> None:
    """Paths of PEM files, empty where there is none."""
    for use, path in (("authority", authority), ("own", own)):
        if path:
            CERTIFICATE_END.labels(setting, use).set_function(partial(ends_at, path, use))


def ends_at(path: str, use: str) -> float:
    """In seconds since 1970; not a number for a file that cannot be read. One of several authorities is enough to vouch
    for the other side; of a chain of our own, none may have ended."""
    # Imported here: it costs 16 MB that a process without files of its own need not pay.
    from cryptography.x509 import load_pem_x509_certificates

    try:
        certificates = load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError):
        return nan
    ends = [certificate.not_valid_after_utc.timestamp() for certificate in certificates]
    return max(ends) if use == "authority" else min(ends)

"""When certificates end, as a metric: those of files that settings name, read at each scrape, so that a renewal shows;
and those that upstreams show us."""

from __future__ import annotations

import ssl
from functools import partial
from math import nan
from pathlib import Path

from bouquet_mesh.observe.metrics import CERTIFICATE_END


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


class Noticing(ssl.SSLObject):
    """Our side of a connection: notices, at its handshake, when the other side's certificate ends."""

    def do_handshake(self) -> None:
        super().do_handshake()
        shown = self.getpeercert() or {}
        if self.server_hostname and "notAfter" in shown:
            ends = ssl.cert_time_to_seconds(str(shown["notAfter"]))
            CERTIFICATE_END.labels(self.server_hostname, "server").set(ends)

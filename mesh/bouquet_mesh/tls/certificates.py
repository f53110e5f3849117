"""Metric of the times at which TLS certificates expire."""

from __future__ import annotations

import ssl
from functools import partial
from math import nan
from pathlib import Path

from prometheus_client import REGISTRY

from bouquet_mesh.observe.metrics import CERTIFICATE_END


def export_certificate_end(setting: str, *, authority: str, own: str) -> None:
    """Exports the expiry of certificates as a metric, labelled with the name `setting`. `authority` is the path of a
    PEM file with trusted authorities, `own` the path of the process's own certificate. Ignores an empty path."""
    for use, path in (("authority", authority), ("own", own)):
        if path:
            CERTIFICATE_END.labels(setting, use).set_function(partial(certificate_end, path, use))


def certificate_end(path: str, use: str) -> float:
    """Returns the time, in seconds since 1970, at which the certificates in a PEM file expire; NaN for an unreadable
    file. If `use` is `authority`, the last certificate to expire counts, otherwise the first."""
    # For an `authority`, the last certificate to expire counts, since the file may hold an old authority and its
    # successor. For the process's `own` certificate, the first one to expire counts, since the whole chain must be
    # valid.
    # Imported here: it costs 16 MB that a process without files of its own need not pay.
    from cryptography.x509 import load_pem_x509_certificates

    try:
        certificates = load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError):
        return nan
    ends = [certificate.not_valid_after_utc.timestamp() for certificate in certificates]
    return max(ends) if use == "authority" else min(ends)


class CertificateObserver(ssl.SSLObject):
    """TLS connection that records, after its handshake, when the server's certificate expires. The record is the metric
    `bouquet_certificate_not_after_timestamp_seconds`."""

    def do_handshake(self) -> None:
        super().do_handshake()
        shown = self.getpeercert() or {}
        if self.server_hostname and "notAfter" in shown:
            ends = ssl.cert_time_to_seconds(str(shown["notAfter"]))
            CERTIFICATE_END.labels(self.server_hostname, "server").set(ends)


def server_certificate_end(host: str) -> float | None:
    """Returns the time, in seconds since 1970, at which the certificate of the server `host` expires. Returns None if
    this process has had no TLS handshake with that server."""
    shown = {"setting": host, "use": "server"}
    return REGISTRY.get_sample_value("bouquet_certificate_not_after_timestamp_seconds", shown)

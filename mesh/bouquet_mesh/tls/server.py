"""TLS of a port on which a gateway, a worker or the registry listens."""

from __future__ import annotations

import ssl

from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.certificates import export_certificate_end


def server_context(setting: str, certificate_path: str, key_path: str, client_ca_path: str = "") -> ssl.SSLContext:
    """Returns the TLS context of a server. The server's certificate and its key are PEM files, which are read once.

    If `client_ca_path` is not empty, it names the certificate of an authority. Each client must then show a certificate
    that this authority has signed. Raises `SettingsError`, which names `setting`, if a file cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate_path, key_path)
        if client_ca_path:
            context.load_verify_locations(client_ca_path)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError([f"{setting}: its certificates cannot be used ({why})"]) from None
    export_certificate_end(setting, authority=client_ca_path, own=certificate_path)
    return context

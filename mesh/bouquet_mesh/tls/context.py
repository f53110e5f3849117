"""TLS for connections to brokers, stores and other servers. Certificate chain and host name are always verified, and
certificate files are read again for each connection."""
# The URL of a broker or redis names its certificate files as its client library expects:
# `amqps://…?cafile=…&certfile=…&keyfile=…`, `rediss://…?ssl_ca_certs=…&ssl_certfile=…&ssl_keyfile=…`.

from __future__ import annotations

import logging
import ssl
from functools import cache
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import each_server
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.certificates import CertificateObserver, export_certificate_end

log = logging.getLogger(__name__)

ENCRYPTED = ("amqps", "rediss", "https")
CA_FILE, CERTIFICATE, KEY = ("cafile", "ssl_ca_certs"), ("certfile", "ssl_certfile"), ("keyfile", "ssl_keyfile")
UNVERIFIED = ("no_verify_ssl", "ssl_cert_reqs", "ssl_check_hostname")
"""Parameters of a URL that would turn off the verification of certificates. A URL with such a parameter is refused."""


def verified_url(url: Secret, setting: str) -> str:
    """Returns `url` as plain text, after a check of its TLS parameters. Raises `SettingsError`, which names `setting`,
    if the parameters turn off verification or name an unusable file."""
    first = each_server(url.reveal())[0]  # `urlsplit` takes one server: several with IPv6 addresses are an error
    asked = dict(parse_qsl(urlsplit(first).query, keep_blank_values=True))
    if any(name in asked for name in UNVERIFIED):
        raise SettingsError([f"{setting}: must verify the server's certificate"])
    files = [_first_present(asked, names) for names in (CA_FILE, CERTIFICATE, KEY)]
    if any(files):
        client_context(setting, first, *files)
    return url.reveal()


def warn_if_url_unencrypted(setting: str, url: str) -> None:
    """Logs a warning if connections to `url` leave this machine without TLS. `setting` is the name of the variable that
    holds the URL."""
    servers = [urlsplit(server) for server in each_server(url)]
    farthest = next((server for server in servers if not is_this_machine(server.hostname)), servers[0])
    warn_if_unencrypted(setting, farthest.hostname, is_encrypted=farthest.scheme in ENCRYPTED)


def _first_present(asked: dict[str, str], names: tuple[str, ...]) -> str:
    return next((asked[name] for name in names if name in asked), "")


def client_context(
    setting: str, url: str, ca_path: str = "", certificate_path: str = "", key_path: str = ""
) -> ssl.SSLContext:
    """Returns the TLS context for connections to `url`. The arguments `…_path` are PEM files: the authorities to trust,
    the client's certificate, and its key. By default, the system's authorities are trusted. Raises `SettingsError`,
    which names `setting`, if a file is unusable, or is given for a URL without TLS."""
    # The key may be in the file of the certificate.
    if any((ca_path, certificate_path, key_path)) and urlsplit(url).scheme not in ENCRYPTED:
        raise SettingsError([f"{setting}: names certificates, and is not encrypted"])
    return context_of(setting, ca_path, certificate_path, key_path)


def context_of(setting: str, ca_path: str = "", certificate_path: str = "", key_path: str = "") -> ssl.SSLContext:
    """Returns the TLS context for connections to a server whose URL does not show whether TLS is used, such as
    `postgresql://…`. The arguments are those of `client_context`. Raises `SettingsError`, which names `setting`, for
    unusable files."""
    if not (ca_path or certificate_path or key_path):
        return system_context()
    try:
        context = ssl.create_default_context(cafile=ca_path or None)
        if certificate_path:
            context.load_cert_chain(certificate_path, key_path or None)
    except OSError as error:  # ssl.SSLError is one
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError([f"{setting}: its certificates cannot be used ({why})"]) from None
    context.sslobject_class = CertificateObserver
    export_certificate_end(setting, authority=ca_path, own=certificate_path)
    return context


@cache
def system_context() -> ssl.SSLContext:
    """Returns a TLS context that trusts the system's certificate authorities."""
    # All connections share it, because it takes a megabyte of memory.
    context = ssl.create_default_context()
    context.sslobject_class = CertificateObserver
    return context


def warn_if_unencrypted(setting: str, host: str | None, *, is_encrypted: bool) -> None:
    """Logs a warning, which names `setting`, if a connection goes to another machine without TLS."""
    if not is_encrypted and not is_this_machine(host):
        log.warning("connection is not encrypted", extra={"setting": setting})


def is_this_machine(host: str | None) -> bool:
    """Returns whether a connection to `host` stays on this machine. None or "", as in the URL of a Unix socket, stands
    for this machine."""
    if not host or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def tls_error_of(error: BaseException) -> str:
    """Returns the cause of a TLS failure in OpenSSL's words, such as `Hostname mismatch`. Returns "" if neither `error`
    nor any of its causes is a TLS error."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:  # some libraries chain an error to itself
        # The ssl module sets it on the errors that it raises itself, and not on a library's subclass of them.
        if message := getattr(cause, "verify_message", ""):
            return str(message).partition(",")[0]
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLCertVerificationError):
            return getattr(cause, "reason", "") or type(cause).__name__
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return ""

"""TLS to brokers, stores and upstreams: chain and host name are always verified, and nothing falls back to plain.

A broker's or a redis's url names its own files, as its client wants them: `amqps://…?cafile=…&certfile=…&keyfile=…`,
`rediss://…?ssl_ca_certs=…&ssl_certfile=…&ssl_keyfile=…`. They are read anew at each connection.
"""

from __future__ import annotations

import logging
import ssl
from functools import cache
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import each_server
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.certificates import Noticing, watch

log = logging.getLogger(__name__)

ENCRYPTED = ("amqps", "rediss", "https")
CA_FILE, CERTIFICATE, KEY = ("cafile", "ssl_ca_certs"), ("certfile", "ssl_certfile"), ("keyfile", "ssl_keyfile")
UNVERIFIED = ("no_verify_ssl", "ssl_cert_reqs", "ssl_check_hostname")
"""What a url may not say: who wants no verification wants no TLS."""


def verified(url: Secret, setting: str) -> str:
    """The url itself. Raises `SettingsError` where its TLS would verify nothing, or cannot be what it says."""
    asked = dict(parse_qsl(urlsplit(each_server(url.reveal())[0]).query, keep_blank_values=True))
    if any(name in asked for name in UNVERIFIED):
        raise SettingsError([f"{setting}: must verify whom it speaks to"])
    files = [_first(asked, names) for names in (CA_FILE, CERTIFICATE, KEY)]
    if any(files):
        client_context(setting, url.reveal(), *files)
    return url.reveal()


def tell_if_plain_url(setting: str, url: str) -> None:
    servers = [urlsplit(server) for server in each_server(url)]
    farthest = next((server for server in servers if not is_this_machine(server.hostname)), servers[0])
    tell_if_plain(setting, farthest.hostname, is_encrypted=farthest.scheme in ENCRYPTED)


def _first(asked: dict[str, str], names: tuple[str, ...]) -> str:
    return next((asked[name] for name in names if name in asked), "")


def client_context(
    setting: str, url: str, ca_path: str = "", certificate_path: str = "", key_path: str = ""
) -> ssl.SSLContext:
    """How we connect to `url`. PEM files: the authority that signed the server's certificate, where the system does not
    know it; our own certificate, and its key where that is not in the same file. Raises `SettingsError`."""
    if any((ca_path, certificate_path, key_path)) and urlsplit(url).scheme not in ENCRYPTED:
        raise SettingsError([f"{setting}: names certificates, and is not encrypted"])
    return context_of(setting, ca_path, certificate_path, key_path)


def context_of(setting: str, ca_path: str = "", certificate_path: str = "", key_path: str = "") -> ssl.SSLContext:
    """As `client_context`, of a protocol that is encrypted whatever the scheme of its URLs."""
    if not (ca_path or certificate_path or key_path):
        return system_context()
    try:
        context = ssl.create_default_context(cafile=ca_path or None)
        if certificate_path:
            context.load_cert_chain(certificate_path, key_path or None)
    except OSError as error:  # ssl.SSLError is one
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError([f"{setting}: its certificates cannot be used ({why})"]) from None
    context.sslobject_class = Noticing
    watch(setting, authority=ca_path, own=certificate_path)
    return context


@cache
def system_context() -> ssl.SSLContext:
    """How we connect to whom the system's authorities vouch for. One for all: it is a megabyte of them."""
    context = ssl.create_default_context()
    context.sslobject_class = Noticing
    return context


def tell_if_plain(setting: str, host: str | None, *, is_encrypted: bool) -> None:
    """Logs a server that others may overhear: one that is neither on this machine nor spoken to by TLS."""
    if not is_encrypted and not is_this_machine(host):
        log.warning("connection is not encrypted", extra={"setting": setting})


def is_this_machine(host: str | None) -> bool:
    """Whether what is sent to `host` passes no network. A socket in the file system has no host."""
    if not host or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def trouble_of(error: BaseException) -> str:
    """What TLS had against a connection, in OpenSSL's words: `Hostname mismatch`. Empty where it had nothing."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:  # some libraries raise an error from what it has caused itself
        if isinstance(cause, ssl.SSLCertVerificationError):
            return str(cause.verify_message).partition(",")[0]
        if isinstance(cause, ssl.SSLError):
            return getattr(cause, "reason", "") or type(cause).__name__
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return ""

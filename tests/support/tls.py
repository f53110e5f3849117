"""Certificates made for a test, and servers that use them for TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import trustme
from aiohttp import web
from msgspec import Struct

from tests.support.daemon import Daemon, free_port
from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitNode
from tests.support.redis import PROGRAM

HOST = "localhost"


class CertificateFiles(Struct, frozen=True):
    """Paths of three PEM files: the certificate of an authority, a certificate signed by the authority, and the key of
    the signed certificate."""

    ca: Path
    certificate: Path
    key: Path


def certificate_files(
    folder: Path, authority: trustme.CA | None = None, ends_at: datetime | None = None
) -> CertificateFiles:
    """Writes to a folder a new certificate for `HOST`, its key, and the certificate of the authority that signed it.
    Makes a new authority if none is given."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = authority or trustme.CA()
    leaf = authority.issue_cert(HOST, not_after=ends_at)
    made = CertificateFiles(folder / "ca.pem", folder / "certificate.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(made.ca))
    made.certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(str(made.key))
    return made


@asynccontextmanager
async def tls_site(app: web.Application, own: CertificateFiles) -> AsyncIterator[str]:
    """Serves an application over TLS and yields its URL. The server shows the certificate `own`, and clients must show
    a certificate signed by the same authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(own.ca))
    context.load_cert_chain(own.certificate, own.key)
    context.verify_mode = ssl.CERT_REQUIRED
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        yield f"https://{HOST}:{site.port}"
    finally:
        await runner.cleanup()


class TlsRabbit(RabbitNode):
    """A RabbitMQ node that also listens for TLS on `tls_port`, and requires client certificates of its own
    authority."""

    def __init__(self, folder: Path, own: CertificateFiles) -> None:
        super().__init__(folder)
        self.tls_port = free_port()
        lines = (
            f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
            f"ssl_options.cacertfile = {own.ca}",
            f"ssl_options.certfile = {own.certificate}",
            f"ssl_options.keyfile = {own.key}",
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = true",
        )
        with (folder / "rabbitmq.conf").open("a") as configuration:
            configuration.writelines(f"{line}\n" for line in lines)


class TlsPostgres(PostgresServer):
    """A PostgreSQL server that accepts connections with and without TLS."""

    def __init__(self, own: CertificateFiles) -> None:
        super().__init__()
        for path, name in ((own.certificate, "certificate.pem"), (own.key, "key.pem")):
            copy = self.folder / name
            copy.write_bytes(path.read_bytes())
            copy.chmod(0o600)
            self.give(copy)
        files = {"ssl_cert_file": "certificate.pem", "ssl_key_file": "key.pem"}
        named = [word for option, name in files.items() for word in ("-c", f"{option}={self.folder / name}")]
        self.options = ("-c", "ssl=on", *named)


class TlsRedis(Daemon):
    """A redis server that accepts only TLS, and requires client certificates of its own authority."""

    def __init__(self, folder: Path, own: CertificateFiles) -> None:
        super().__init__(folder, free_port(), ready_within_s=90)
        self._own = own

    def command(self) -> list[str]:
        assert PROGRAM, "redis-server is not installed"
        files = {"cert-file": self._own.certificate, "key-file": self._own.key, "ca-cert-file": self._own.ca}
        tls = [part for name, path in files.items() for part in (f"--tls-{name}", str(path))]
        ports = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "yes"]
        return [PROGRAM, "--bind", "127.0.0.1", *ports, *tls, "--save", "", "--appendonly", "no"]

    def is_ready(self, connection: socket.socket) -> bool:
        context = ssl.create_default_context(cafile=str(self._own.ca))
        context.load_cert_chain(self._own.certificate, self._own.key)
        with context.wrap_socket(connection, server_hostname=HOST) as secured:
            secured.sendall(b"PING\r\n")
            return secured.recv(5) == b"+PONG"

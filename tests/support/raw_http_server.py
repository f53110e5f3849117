"""TCP servers that answer HTTP requests correctly, wrongly or never, for tests of HTTP clients."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Function that a test server calls with the connection's reader and writer after it has read a request. The function
sends a correct answer, or misbehaves on purpose."""

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class RawServer:
    """A running server, with its URL and the number of requests it has read."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests = 0


@asynccontextmanager
async def raw_server(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                server.requests += 1
                await behave(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    server = RawServer(f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    async with listener:
        yield server


async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(ANSWER)
    await writer.drain()


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Sends nothing until the client closes the connection."""
    await reader.read()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Resets the connection (TCP RST) without an answer."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def stop_halfway(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begins an answer, and closes the connection in the middle of the body."""
    writer.write(ANSWER[:-1])
    writer.close()


async def answer_slowly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def answer_malformed(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"KERVALLAN is not HTTP\r\n\r\n")
    writer.close()


class SelfSignedCertificate:
    def __init__(self, folder: Path, name: str) -> None:
        self.cert = folder / f"{name}.crt"
        self._key = folder / f"{name}.key"
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(key, hashes.SHA256())
        )
        self.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self._key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def server(self, *, trusting: SelfSignedCertificate | None = None) -> ssl.SSLContext:
        """Returns a TLS context for a server that shows this certificate. If `trusting` is given, clients must show
        that certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self._key)
        if trusting is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(trusting.cert)
        return context

    def client(self, *, trusting: SelfSignedCertificate) -> ssl.SSLContext:
        """Returns a TLS context for a client that shows this certificate and trusts only the server certificate
        `trusting`."""
        context = ssl.create_default_context(cafile=str(trusting.cert))
        context.load_cert_chain(self.cert, self._key)
        return context

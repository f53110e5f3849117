"""An SMTP server within the tests' process, which keeps the mails that it receives."""

from __future__ import annotations

import asyncio
import email
import email.message
import email.policy
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.daemon import free_port
from tests.support.tls import HOST, CertificateFiles


class Inbox:
    """Mails that a server has received, each with its recipients, in `mails`, and credentials that it has refused, in
    `secrets`."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], email.message.EmailMessage]] = []
        self.secrets: list[list[str]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        mail = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        assert isinstance(mail, email.message.EmailMessage)
        self.mails.append((envelope.rcpt_tos, mail))
        return "250 OK"

    async def handle_AUTH(self, server: SMTP, session: Session, envelope: Envelope, args: list[str]) -> str:
        """Refuses every login, and keeps the client's credentials in `secrets`."""
        self.secrets.append(args)
        return "535 5.7.8 refused"


@asynccontextmanager
async def mail_server(
    own: CertificateFiles | None = None, *, from_the_start: bool = False
) -> AsyncIterator[tuple[Inbox, str]]:
    """Runs an SMTP server, and yields its inbox and URL. Without the certificate `own`, the server has no TLS. With it,
    the server offers STARTTLS or, if `from_the_start` is true, uses TLS as soon as a client connects."""
    inbox, port, tls = Inbox(), free_port(), None
    if own:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(own.certificate, own.key)
    offered = None if from_the_start else tls
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(inbox, enable_SMTPUTF8=True, tls_context=offered, auth_require_tls=False),
        "127.0.0.1",
        port,
        ssl=tls if from_the_start else None,
    )
    ca = f"?{urlencode({'cafile': own.ca})}" if own else ""
    async with server:
        yield inbox, f"{'smtps' if from_the_start else 'smtp'}://{HOST}:{port}{ca}"

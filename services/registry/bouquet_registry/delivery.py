"""Delivery of notices (warnings before a token expires) by mail or by webhook."""
# With the setting `notices_secret`, a webhook is signed in the same format as DataPass's webhooks to the registry.

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

import aiohttp
import aiosmtplib
import msgspec
from msgspec import Struct
from yarl import URL

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.context import context_of, tls_error_of, warn_if_unencrypted
from bouquet_registry.editors.records import Editor, EditorToken
from bouquet_registry.habilitations import EMAIL, Habilitation
from bouquet_registry.notices import DeliveryError, Notice, NoticeChannel
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import PREFIX
from bouquet_registry.text import one_line
from bouquet_registry.webhook_signature import HEADER, signature_of

log = logging.getLogger(__name__)

SETTING = f"{PREFIX}NOTICES_TO"
"""Name of the setting that contains the URL to which notices (warnings before a token expires) are sent."""
MAIL = ("smtp", "smtps")
CA_FILE_PARAMETER = "cafile"
"""Query parameter of the mail server's URL: path of a PEM file with the server's certificate authority."""
TIMEOUT_S = 20.0
"""Longest time, in seconds, that the delivery of one notice (warning before a token expires) may take."""
SUBJECT = "Votre jeton API Particulier expire {when}"
TEXT = """Bonjour,

Le jeton d'accès à API Particulier de l'habilitation « {purpose} » ({siret}{datapass}) expire {when}, le {day}.

Après cette date, tous les appels faits avec ce jeton seront refusés.
{what_to_do}

Identifiant du jeton : {token}
"""
EDITOR_TEXT = """Bonjour,

Le jeton d'éditeur « {label} » de {name} ({siret}), pour API Particulier, expire {when}, le {day}.

Après cette date, tous les appels faits avec ce jeton seront refusés, pour toutes les administrations qui vous ont
donné une délégation.
{what_to_do}

Identifiant du jeton : {token}
"""
ON_THE_PORTAL = "Comment le prolonger de 18 mois : {account}"
WITHOUT_A_PORTAL = "Pour le prolonger de 18 mois, adressez-vous à l'administration qui l'a délivré."


class NoticeDestination(Struct, frozen=True):
    """Destination of notices (warnings that a token will soon expire): a mail server or a webhook."""

    url: URL
    tls: ssl.SSLContext | None
    """TLS context of the connection; None for an unencrypted connection."""

    @property
    def is_mail(self) -> bool:
        return self.url.scheme in MAIL

    @property
    def starts_tls(self) -> bool:
        """Whether a connection to the mail server begins unencrypted and then changes to TLS (STARTTLS)."""
        return self.url.scheme == "smtp" and self.tls is not None


def notice_destination(settings: RegistrySettings) -> NoticeDestination:
    """Returns the mail server or webhook that the setting `notices_to` names. If the setting is empty, the result has
    an empty URL. Raises `SettingsError` if a mail server's URL has an unknown option or an unusable certificate file.

    Also raises `SettingsError` for an unencrypted destination, unless the setting `notices_plain` is true. Even then,
    the URL must contain no user, password or `cafile`.
    """
    # An unencrypted destination whose URL contains a password is never allowed.
    url = URL(settings.notices_to.reveal())
    if not url.scheme:
        return NoticeDestination(url, None)
    is_mail = url.scheme in MAIL
    if is_mail and set(url.query) - {CA_FILE_PARAMETER}:
        raise SettingsError([f"{SETTING}: takes no option but {CA_FILE_PARAMETER}"])
    if settings.notices_plain and url.scheme in ("smtp", "http"):
        if url.user or url.password or url.query.get(CA_FILE_PARAMETER):
            raise SettingsError(
                [f"{SETTING}: a password never goes in plain, as {PREFIX}NOTICES_PLAIN lets notices go"]
            )
        return NoticeDestination(url, None)
    if url.scheme == "http":
        raise SettingsError([f"{SETTING}: must be encrypted, unless {PREFIX}NOTICES_PLAIN"])
    return NoticeDestination(url, context_of(SETTING, url.query.get(CA_FILE_PARAMETER, "") if is_mail else ""))


def account_url(settings: RegistrySettings) -> str:
    """Returns the URL of the portal's account page, or "" if the setting `portal_url` is empty. Raises `SettingsError`
    if the setting is no `https` URL, or has a user, a query or a fragment."""
    if not settings.portal_url:
        return ""
    url = URL(settings.portal_url)
    if url.scheme != "https" or not url.host or url.user or url.query_string or url.fragment:
        raise SettingsError([f"{PREFIX}PORTAL_URL: must be https://… without user, query or fragment"])
    return f"{settings.portal_url.rstrip('/')}/compte"


@asynccontextmanager
async def open_channel(settings: RegistrySettings) -> AsyncIterator[NoticeChannel | None]:
    """Yields an open channel that sends notices (warnings before a token expires), or None if the settings name no
    destination. Raises `SettingsError` for an unusable destination."""
    destination = notice_destination(settings)
    warn_if_unencrypted(SETTING, destination.url.host, is_encrypted=destination.tls is not None)
    if not destination.url.scheme:
        log.warning("notices before expiry disabled")
        yield None
    elif destination.is_mail:
        yield Mail(destination, settings.notices_from, account_url(settings))
    else:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
            yield Webhook(session, destination.url, settings.notices_secret)


async def check_mail_server(destination: NoticeDestination, timeout_s: float) -> None:
    """Checks that a mail server can be reached, and that it begins TLS by STARTTLS. Used by `bouquet-registry doctor`;
    does not log in. Raises `DeliveryError` if the connection or TLS fails."""
    client = aiosmtplib.SMTP(
        hostname=destination.url.host,
        port=destination.url.port or 25,
        use_tls=False,
        start_tls=True,
        tls_context=destination.tls,
        timeout=timeout_s,
    )
    try:
        async with client:
            pass
    except (aiosmtplib.SMTPException, OSError) as error:
        raise DeliveryError(tls_error_of(error) or type(error).__name__) from None


class Mail(NoticeChannel):
    """Channel that mails warnings before a token expires, by SMTP. A warning goes to the contacts of the token's
    habilitation, or to the members of the software editor that has the token."""

    def __init__(self, destination: NoticeDestination, sender: str, account: str = "") -> None:
        """Takes the mail server, and the mail address of the sender. `account` is the URL of the portal's page that
        explains how to prolong a token; empty without a portal."""
        self._url = destination.url
        self._tls = destination.tls
        self._starts_tls = destination.starts_tls
        self._sender = sender
        self._what_to_do = ON_THE_PORTAL.format(account=account) if account else WITHOUT_A_PORTAL

    async def deliver(self, notice: Notice) -> None:
        # A former version accepted addresses by which one contact could take the others' place in the header.
        recipients = [address for address in notice.recipients if EMAIL.fullmatch(address)]
        if not recipients:
            log.warning("notice without recipient", extra={"notice": notice.id})
            return
        try:
            refused, _ = await aiosmtplib.send(
                self._message(notice, recipients),
                recipients=recipients,
                hostname=self._url.host,
                port=self._url.port or (465 if self._url.scheme == "smtps" else 25),
                username=self._url.user,
                password=self._url.password,
                use_tls=self._url.scheme == "smtps",
                start_tls=self._starts_tls,  # never None: that would do without
                tls_context=self._tls,
                timeout=TIMEOUT_S,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise DeliveryError(tls_error_of(error) or type(error).__name__) from None
        if unreached := len(notice.recipients) - len(recipients) + len(refused):
            log.warning("notice recipients refused", extra={"notice": notice.id, "count": unreached})

    def _message(self, notice: Notice, recipients: list[str]) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = SUBJECT.format(when=days_left_in_french(notice.days_left))
        message["From"] = self._sender
        message["To"] = ", ".join(recipients)
        message["Message-ID"] = f"<{notice.id}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self._text(notice))
        return message

    def _text(self, notice: Notice) -> str:
        given = {
            "siret": notice.owner.siret,
            "when": days_left_in_french(notice.days_left),
            "day": f"{notice.token.expires_at:%d/%m/%Y}",
            "token": notice.token.id,
            "what_to_do": self._what_to_do,
        }
        match notice.owner:
            case Habilitation(purpose=purpose, datapass_id=number):
                datapass = f", DataPass n° {number}" if number else ""
                return TEXT.format(purpose=one_line(purpose), datapass=one_line(datapass), **given)
            case Editor(name=name):
                label = notice.token.label if isinstance(notice.token, EditorToken) else ""
                return EDITOR_TEXT.format(name=one_line(name), label=one_line(label), **given)


class Webhook(NoticeChannel):
    """Channel that posts notices (warnings before a token expires) to a URL as JSON. Requests are signed unless the
    secret is empty. The header `Idempotency-Key` contains the notice's id."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, secret: Secret) -> None:
        self._session = session
        self._url = url
        self._secret = secret

    async def deliver(self, notice: Notice) -> None:
        body = msgspec.json.encode(_webhook_body(notice))
        headers = {"Content-Type": "application/json", "Idempotency-Key": notice.id}
        if self._secret:
            headers[HEADER] = signature_of(self._secret, body)
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                if response.status // 100 != 2:
                    raise DeliveryError(f"HTTP {response.status}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryError(type(error).__name__) from None


def _webhook_body(notice: Notice) -> dict[str, Any]:
    own = msgspec.to_builtins(notice)
    owner = own.pop("owner")
    match notice.owner:
        case Habilitation():
            return {"event": "token_expiry", **own, "habilitation": owner}
        case Editor():
            return {"event": "editor_token_expiry", **own, "editor": owner}


def days_left_in_french(days_left: int) -> str:
    """Returns the French expression for a date that is `days_left` days away: `aujourd'hui` for 0, `demain` for 1,
    `dans 7 jours` for 7."""
    return {0: "aujourd'hui", 1: "demain"}.get(days_left, f"dans {days_left} jours")

"""Client of the mail server to which the portal gives its mails."""

from __future__ import annotations

import ssl
from functools import cached_property
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend


class Smtp(EmailBackend):
    """SMTP client that verifies the mail server's certificate. `cafile` in the server's URL names a PEM file with the
    authority to trust. Without `cafile`, the system's authorities are trusted."""

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        query = urlsplit(settings.PORTAL.mail_url.reveal()).query
        return ssl.create_default_context(cafile=parse_qs(query).get("cafile", [None])[0])

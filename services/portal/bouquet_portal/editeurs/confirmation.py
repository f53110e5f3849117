"""Mail that asks, by a signed link, for confirmation of a request."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.urls import reverse

from bouquet_portal.editeurs.models import EditorRequest
from bouquet_portal.environment import PortalSettings
from bouquet_portal.theme.typography import french

SALT = "bouquet_portal.editeurs.confirmation"
LINK_LIFETIME = timedelta(days=3)
"""Time for which the link in a confirmation mail is valid, counted from when the mail is sent."""


class LinkExpiredError(Exception):
    """Error for a confirmation link that this portal has signed, but more than `LINK_LIFETIME` ago."""


class LinkInvalidError(Exception):
    """Error for a confirmation link that this portal has not signed."""


def token_of(request: EditorRequest) -> str:
    return signing.dumps(request.pk, salt=SALT)


def request_id(token: str) -> int:
    """Returns the id of the request that a link's token names. Raises `LinkExpiredError` for a token older than
    `LINK_LIFETIME`, and `LinkInvalidError` for a token that this portal has not signed."""
    try:
        return int(signing.loads(token, salt=SALT, max_age=LINK_LIFETIME))
    except signing.SignatureExpired as error:
        raise LinkExpiredError from error
    except signing.BadSignature as error:
        raise LinkInvalidError from error


def mail(request: EditorRequest) -> EmailMessage:
    """Returns the mail that asks for confirmation. The mail repeats nothing from the form."""
    # Somebody may have entered another person's address.
    portal: PortalSettings = settings.PORTAL
    link = f"{portal.public_url.rstrip('/')}{reverse('editor_confirmation', args=[token_of(request)])}"
    paragraphs = (
        "Bonjour,",
        f"Une demande de référencement d'un logiciel auprès de {portal.service_name} indique cette adresse comme"
        f" contact. Pour la confirmer ou la supprimer, ouvrez cette page dans les {LINK_LIFETIME.days} jours :",
        link,
        "Vous n'avez rien demandé ? Ne faites rien : sans confirmation, la demande est effacée.",
        f"{portal.service_name}, {portal.operator_name}",
    )
    return EmailMessage(
        subject=french(f"Confirmez votre demande de référencement auprès de {portal.service_name}"),
        body="\n\n".join(one if one == link else french(one) for one in paragraphs) + "\n",
        from_email=portal.mail_from,
        to=[request.email],
        headers={"Auto-Submitted": "auto-generated"},
    )

"""Steps of an editor's request to be listed: submission, confirmation by a mailed link, and deletion."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from bouquet_portal import metrics
from bouquet_portal.editeurs import confirmation
from bouquet_portal.editeurs.models import EditorRequest

log = logging.getLogger(__name__)

MAX_UNCONFIRMED = 1_000
"""Largest number of unconfirmed requests. Further requests are refused."""
# Otherwise somebody could fill the database or send many mails.
MAX_OF_ADDRESS = 3
"""Largest number of unconfirmed requests with the same e-mail address. Further requests are refused."""
UNCONFIRMED_LIFETIME = timedelta(days=7)
"""Time after which an unconfirmed request is deleted."""
MAIL_AGAIN_AFTER = timedelta(minutes=10)
"""Shortest time between two mails for the same request. A second mail is sent if the editor submits the same form
again."""
RETRY_AFTER = timedelta(minutes=2)
"""Shortest time from the start of an attempt to send a mail to the next attempt."""
# Every attempt takes less time, so that two processes never send the same mail.
DAYS_PER_MONTH = 365.25 / 12

Outcome = Literal["sent", "deferred", "refused", "too_many"]
"""Outcome of a submitted form: the mail was `sent`, will be sent later (`deferred`), or was `refused` by the mail
server. With `too_many`, too many requests are unconfirmed, and nothing was stored."""


def submit(values: Mapping[str, str]) -> Outcome:
    """Stores a request and tries to send its confirmation mail. The same form, sent again, is not stored twice. Its
    mail is repeated only after ten minutes. Raises `DatabaseError` if the request cannot be stored."""
    now = timezone.now()
    with transaction.atomic():
        unconfirmed = EditorRequest.objects.filter(confirmed_at=None)
        of_address = unconfirmed.filter(email=values["email"])
        request = of_address.filter(**values).first()
        if request is None:
            if of_address.count() >= MAX_OF_ADDRESS or unconfirmed.count() >= MAX_UNCONFIRMED:
                return "too_many"
            request = EditorRequest.objects.create(created_at=now, mail_due_at=now, **values)
            log.info("editor request stored")
        elif request.mailed_at and request.mailed_at < now - MAIL_AGAIN_AFTER:
            EditorRequest.objects.filter(pk=request.pk).update(mail_due_at=now)
        elif request.mailed_at:
            return "sent"
    return deliver(request)


def deliver(request: EditorRequest) -> Outcome:
    """Sends the confirmation mail of a request, and returns the outcome. Returns `deferred` without sending anything if
    the mail is not due yet."""
    # The update of `mail_due_at` lets only one of several processes send the mail.
    now = timezone.now()
    due = EditorRequest.objects.filter(pk=request.pk, mail_due_at__lte=now)
    if not due.update(mail_due_at=now + RETRY_AFTER):
        return "deferred"
    outcome = _send(request)
    metrics.MAILS.labels(outcome).inc()
    return outcome


def _send(request: EditorRequest) -> Outcome:
    try:
        confirmation.mail(request).send()
    except smtplib.SMTPRecipientsRefused:
        EditorRequest.objects.filter(pk=request.pk, confirmed_at=None).delete()
        return "refused"
    except (OSError, smtplib.SMTPException) as error:
        log.warning("confirmation mail not sent", extra={"error": type(error).__name__})
        return "deferred"
    EditorRequest.objects.filter(pk=request.pk).update(mail_due_at=None, mailed_at=timezone.now())
    return "sent"


def deliver_due() -> None:
    """Sends the confirmation mails that are due, oldest request first, at most 50 at a time. Stops at the first mail
    that cannot be sent now."""
    for request in EditorRequest.objects.filter(confirmed_at=None, mail_due_at__lte=timezone.now()).order_by("pk")[:50]:
        if deliver(request) == "deferred":
            return


def confirm(request: EditorRequest) -> None:
    """Marks a request as confirmed. Then deletes older confirmed requests with the same e-mail address, SIRET and
    solution. Does nothing if the request is already confirmed."""
    with transaction.atomic():
        unconfirmed = EditorRequest.objects.filter(pk=request.pk, confirmed_at=None)
        if not unconfirmed.update(confirmed_at=timezone.now(), mail_due_at=None):
            return
        same = EditorRequest.objects.filter(email=request.email, siret=request.siret, solution__iexact=request.solution)
        confirmed = same.exclude(confirmed_at=None).order_by("-pk")
        EditorRequest.objects.filter(pk__in=[one.pk for one in confirmed[1:]]).delete()
    log.info("editor request confirmed")


def delete_old(keep_months: int) -> None:
    """Deletes unconfirmed requests after seven days, and confirmed requests `keep_months` months after their
    confirmation."""
    now = timezone.now()
    old = Q(confirmed_at=None, created_at__lt=now - UNCONFIRMED_LIFETIME) | Q(
        confirmed_at__lt=now - timedelta(days=keep_months * DAYS_PER_MONTH)
    )
    count, _ = EditorRequest.objects.filter(old).delete()
    if count:
        log.info("old editor requests deleted", extra={"count": count})

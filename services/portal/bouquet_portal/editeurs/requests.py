"""Requests of editors to be listed: submitted, mailed, confirmed, removed once their time is over."""

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

MOST_UNCONFIRMED = 1_000
"""Number of unconfirmed requests at which no more are accepted, to limit what a flood of forms can store and mail."""
MOST_OF_ADDRESS = 3
"""Number of unconfirmed requests that name the same e-mail address."""
UNCONFIRMED_LIVES = timedelta(days=7)
"""Time after which an unconfirmed request is deleted."""
MAIL_AGAIN_AFTER = timedelta(minutes=10)
"""Time after which a form that is sent again unchanged gets another mail."""
RETRY_AFTER = timedelta(minutes=2)
"""Time between two attempts to send a mail. It must exceed the longest time that an attempt may take."""
DAYS_PER_MONTH = 365.25 / 12

Outcome = Literal["sent", "deferred", "refused", "too_many"]
"""Outcome of a submitted form: its mail was sent, will be sent later, was refused for its address, or there are too
many unconfirmed requests."""


def submit(values: Mapping[str, str]) -> Outcome:
    """Stores a request, and sends its mail if the mail server accepts it. A form that is sent again unchanged adds
    nothing. Raises `DatabaseError` if the request cannot be stored."""
    now = timezone.now()
    with transaction.atomic():
        unconfirmed = EditorRequest.objects.filter(confirmed_at=None)
        of_address = unconfirmed.filter(email=values["email"])
        request = of_address.filter(**values).first()
        if request is None:
            if of_address.count() >= MOST_OF_ADDRESS or unconfirmed.count() >= MOST_UNCONFIRMED:
                return "too_many"
            request = EditorRequest.objects.create(created_at=now, mail_due_at=now, **values)
            log.info("editor request stored")
        elif request.mailed_at and request.mailed_at < now - MAIL_AGAIN_AFTER:
            EditorRequest.objects.filter(pk=request.pk).update(mail_due_at=now)
        elif request.mailed_at:
            return "sent"
    return deliver(request)


def deliver(request: EditorRequest) -> Outcome:
    """Sends the mail of a request if it is due. Several processes may try at the same time: one of them sends it."""
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
    """Sends the mails that could not be sent before. Ends at the first that the mail server does not accept."""
    for request in EditorRequest.objects.filter(confirmed_at=None, mail_due_at__lte=timezone.now()).order_by("pk")[:50]:
        if deliver(request) == "deferred":
            return


def confirm(request: EditorRequest) -> None:
    """Confirms a request. Of the confirmed requests of an address for one solution, the last stored replaces the
    others. To confirm a request again changes nothing."""
    with transaction.atomic():
        unconfirmed = EditorRequest.objects.filter(pk=request.pk, confirmed_at=None)
        if not unconfirmed.update(confirmed_at=timezone.now(), mail_due_at=None):
            return
        same = EditorRequest.objects.filter(email=request.email, siret=request.siret, solution__iexact=request.solution)
        confirmed = same.exclude(confirmed_at=None).order_by("-pk")
        EditorRequest.objects.filter(pk__in=[one.pk for one in confirmed[1:]]).delete()
    log.info("editor request confirmed")


def delete_old(keep_months: int) -> None:
    """Deletes the requests whose retention is over: unconfirmed ones after `UNCONFIRMED_LIVES`, confirmed ones after
    `keep_months`."""
    now = timezone.now()
    old = Q(confirmed_at=None, created_at__lt=now - UNCONFIRMED_LIVES) | Q(
        confirmed_at__lt=now - timedelta(days=keep_months * DAYS_PER_MONTH)
    )
    count, _ = EditorRequest.objects.filter(old).delete()
    if count:
        log.info("old editor requests deleted", extra={"count": count})

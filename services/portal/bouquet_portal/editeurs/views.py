"""Form by which software editors ask to be listed, and the pages that a confirmation link opens."""

from __future__ import annotations

from functools import cache

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from bouquet_portal.editeurs import requests
from bouquet_portal.editeurs.confirmation import LINK_LIFETIME, LinkExpiredError, LinkInvalidError, request_id
from bouquet_portal.editeurs.forms import DEPLOYMENTS, EditorForm
from bouquet_portal.editeurs.models import EditorRequest
from bouquet_portal.rate_limit import RateLimit, address_of
from bouquet_portal.site import site

FORMS_PER_HOUR = 10
"""Largest number of submitted forms per hour that the portal accepts from one visitor's IP address."""


@cache
def limit() -> RateLimit:
    return RateLimit(FORMS_PER_HOUR, period_s=3600.0)


def see_other(route: str) -> HttpResponse:
    """Returns a redirect (303) to the page named `route`."""
    # After a redirect, reloading the page does not send the form again.
    return HttpResponse(status=303, headers={"Location": reverse(route)})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def request(request: HttpRequest) -> HttpResponse:
    """Shows the form by which a software editor asks to be listed (GET), or handles the submitted form (POST). A valid
    form is stored, and a confirmation link is mailed to the e-mail address given."""
    if not site().settings.mail_url.reveal():
        return render(request, "editeurs/closed.html", status=503 if request.method == "POST" else 200)
    if request.method != "POST":
        return _form(request, EditorForm())
    if not limit().allows(address_of(request)):
        return render(request, "editeurs/too_many.html", status=429)
    form = EditorForm(request.POST)
    return _submitted(request, form) if form.is_valid() else _form(request, form, status=422)


def _submitted(request: HttpRequest, form: EditorForm) -> HttpResponse:
    try:
        outcome = requests.submit(form.values())
    except DatabaseError:
        return _form(request, form, status=503, is_away=True)
    match outcome:
        case "sent":
            return see_other("editor_request_sent")
        case "deferred":
            return see_other("editor_request_deferred")
        case "too_many":
            return render(request, "editeurs/too_many.html", status=429)
        case "refused":
            form.add_error("email", "Le serveur de messagerie refuse cette adresse : vérifiez-la.")
            return _form(request, form, status=422)


def _form(request: HttpRequest, form: EditorForm, *, status: int = 200, is_away: bool = False) -> HttpResponse:
    keep_months = site().settings.editor_requests_keep_months
    context = {"form": form, "is_away": is_away, "days": LINK_LIFETIME.days, "keep_months": keep_months}
    return render(request, "editeurs/form.html", context, status=status)


@require_safe
def stored(request: HttpRequest, *, is_sent: bool) -> HttpResponse:
    return render(request, "editeurs/stored.html", {"is_sent": is_sent, "days": LINK_LIFETIME.days})


@require_safe
def done(request: HttpRequest, *, act: str) -> HttpResponse:
    return render(request, "editeurs/done.html", {"act": act})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def confirmation(request: HttpRequest, token: str) -> HttpResponse:
    """Shows the request that a confirmation link names, with buttons to confirm and to remove the request. Opening the
    link changes nothing."""
    # Some programs open all links in mails.
    try:
        found = EditorRequest.objects.filter(pk=request_id(token)).first()
    except LinkExpiredError:
        found = None
    except LinkInvalidError:
        return render(request, "editeurs/invalid.html", status=404)
    except DatabaseError:
        return render(request, "editeurs/away.html", status=503)
    if found is None:
        return render(request, "editeurs/expired.html", {"days": LINK_LIFETIME.days}, status=410)
    if request.method != "POST":
        titles = {case.id: case.title for case in site().content.use_cases}
        context = {
            "found": found,
            "deployment": dict(DEPLOYMENTS).get(found.deployment, ""),
            "use_cases": [titles.get(id, id) for id in found.use_cases.split()],
            "keep_months": site().settings.editor_requests_keep_months,
        }
        return render(request, "editeurs/confirmation.html", context)
    try:
        if "remove" in request.POST:
            found.delete()
            return see_other("editor_request_removed")
        requests.confirm(found)
    except DatabaseError:
        return render(request, "editeurs/away.html", status=503)
    return see_other("editor_request_confirmed")

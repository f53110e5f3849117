"""Changelog, as a page and as an Atom feed."""

from __future__ import annotations

from datetime import datetime, time

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.feedgenerator import Atom1Feed
from django.views.decorators.http import require_safe

from bouquet_portal.content.model import Change
from bouquet_portal.site import site
from bouquet_portal.theme.dates import PARIS
from bouquet_portal.theme.typography import french, french_html

GENERAL = "general"


@require_safe
def changes(request: HttpRequest) -> HttpResponse:
    scope = request.GET.get("api", "")
    found = [change for change in site().content.changes if not scope or change.scope == scope]
    scopes = [api for api in site().content.apis if any(one.scope == api.uid for one in site().content.changes)]
    rows = [(change, _api_title(change)) for change in found]
    return render(request, "nouveautes/changes.html", {"rows": rows, "scopes": scopes, "scope": scope})


def _api_title(change: Change) -> str:
    """Returns the title of the API that a change concerns, or "" if the change concerns the whole service."""
    api = site().content.api(change.scope)
    return api.title if api else ""


@require_safe
def feed(request: HttpRequest) -> HttpResponse:
    """Returns the changelog as an Atom feed."""
    settings = site().settings
    address = f"{settings.public_url.rstrip('/')}/nouveautes"
    atom = Atom1Feed(
        title=f"Nouveautés de {settings.service_name}",
        link=address,
        description="",
        language="fr",
        feed_url=f"{address}.atom",
        author_name=settings.operator_name,
    )
    for change in site().content.changes:
        about = _api_title(change)
        atom.add_item(
            title=french(f"{about} : {change.title}" if about else change.title),
            link=f"{address}#{change.slug}",
            description=french_html(change.html),
            pubdate=datetime.combine(change.date, time(8), PARIS),
            updateddate=datetime.combine(change.date, time(8), PARIS),
            unique_id=f"{address}#{change.slug}",
        )
    return HttpResponse(atom.writeString("utf-8"), content_type="application/atom+xml; charset=utf-8")

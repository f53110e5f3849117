"""Legal pages, the site map, and `robots.txt` for search engines."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import escape
from django.views.decorators.http import require_safe

from bouquet_portal.catalogue.views import all_entries
from bouquet_portal.site import site
from bouquet_portal.theme import navigation

PAGES = ("mentions-legales", "cgu", "donnees_personnelles", "accessibilite")


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    found = site().content.legal.get(slug)
    if found is None:
        raise Http404
    return render(request, "legal/page.html", {"page": found})


@require_safe
def site_map(request: HttpRequest) -> HttpResponse:
    content = site().content
    links = navigation.links((*navigation.HEAD, *navigation.FOOT), request.path)
    return render(
        request,
        "legal/site_map.html",
        {"links": links, "entries": all_entries(), "use_cases": content.use_cases, "guide": content.guide},
    )


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    lines = ("User-agent: *", "Disallow: /*?", f"Sitemap: {_address('site_map_xml')}")
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@require_safe
def site_map_xml(request: HttpRequest) -> HttpResponse:
    """Returns the XML site map for search engines: the addresses of all pages."""
    pages = [_address(route) for route, _ in (("home", ""), *navigation.HEAD, *navigation.FOOT)]
    pages += [_address("fiche", uid=entry.uid) for entry in all_entries()]
    pages += [_address("use_case", id=case.id) for case in site().content.use_cases]
    urls = "".join(f"<url><loc>{escape(page)}</loc></url>" for page in dict.fromkeys(pages))
    document = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
    return HttpResponse(document, content_type="application/xml; charset=utf-8")


def _address(route: str, **parts: str) -> str:
    return site().settings.public_url.rstrip("/") + reverse(route, kwargs=parts)

"""Variables that every template has."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from bouquet_portal.site import site as current_site
from bouquet_portal.theme import navigation


def site(request: HttpRequest) -> dict[str, Any]:
    """Returns variables for every template: the portal's settings, the addresses that pages show, and the links in the
    head and foot."""
    settings = current_site().settings
    absent = () if settings.sandbox_url else ("sandbox",)
    is_technical = f"{request.path}/".startswith(f"{reverse('guide')}/")
    return {
        "portal": settings,
        "api_url": settings.api_url or settings.gateway_url,
        "canonical_url": f"{settings.public_url.rstrip('/')}{request.path}",
        "head_links": navigation.links(navigation.HEAD, request.path, without=absent),
        "section_links": navigation.links(navigation.DEVELOPERS, request.path, without=absent) if is_technical else [],
        "foot_links": navigation.links(navigation.FOOT, request.path),
    }

"""Error pages of the site."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def wrong_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "theme/400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "theme/403.html", status=403)


def refused_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Returns an error page with status 403, in answer to a form whose CSRF token is missing or invalid. The page does
    not show `reason`."""
    # `reason` is Django's English text about the cause.
    return render(request, "theme/refused_form.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "theme/404.html", status=404)


def failed(request: HttpRequest) -> HttpResponse:
    return render(request, "theme/500.html", status=500)

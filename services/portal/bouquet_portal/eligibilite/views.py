"""Page on eligibility: a visitor chooses a kind of organisation (profile) and learns whether and why such organisations
may use the service."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bouquet_portal.site import site


@require_safe
def eligibility(request: HttpRequest) -> HttpResponse:
    profiles = site().content.profiles
    chosen = next((one for one in profiles if one.page.slug == request.GET.get("profil")), None)
    return render(request, "eligibilite/eligibility.html", {"profiles": profiles, "chosen": chosen})

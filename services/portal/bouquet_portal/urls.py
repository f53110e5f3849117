"""URL patterns of the site, collected from the packages of its parts."""

from __future__ import annotations

from django.urls import include, path

PARTS = (
    "home",
    "eligibilite",
    "catalogue",
    "cas_usages",
    "guide",
    "reference",
    "erreurs",
    "versions",
    "bac_a_sable",
    "etat",
    "faq",
    "nouveautes",
    "editeurs",
    "legal",
)
"""Packages of the site, each with a module `urls` that holds the URL patterns of its pages."""

urlpatterns = [
    *(path("", include(f"bouquet_portal.{part}.urls")) for part in PARTS),
    path("", include("bouquet_portal.redirects")),
]

handler400 = "bouquet_portal.theme.views.wrong_request"
handler403 = "bouquet_portal.theme.views.forbidden"
handler404 = "bouquet_portal.theme.views.not_found"
handler500 = "bouquet_portal.theme.views.failed"

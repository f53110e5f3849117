"""Addresses of the site, by the packages of its parts."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("bouquet_portal.home.urls")),
]

handler400 = "bouquet_portal.theme.views.wrong_request"
handler403 = "bouquet_portal.theme.views.forbidden"
handler404 = "bouquet_portal.theme.views.not_found"
handler500 = "bouquet_portal.theme.views.failed"

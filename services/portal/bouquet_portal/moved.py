"""Addresses of pages that stand elsewhere: those of API Particulier's site to which other sites and mails link."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

MOVED = {
    "compte": "/faq#comment-renouveler-mon-jeton-arrivant-a-expiration",
    "blog/migration-api-particulier-v3": "/developpeurs/versions",
    "blog/parametre-lieu-naissance-code-cog": "/developpeurs#identifier-une-personne",
}
"""Present address of each former one. The account is to come: until then, its mails lead to how a token is renewed."""

urlpatterns = [path(former, RedirectView.as_view(url=present)) for former, present in MOVED.items()]

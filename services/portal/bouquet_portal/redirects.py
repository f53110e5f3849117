"""Redirects from addresses of API Particulier's site to pages of the portal."""
# Other sites and e-mails still link to these addresses.

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

REDIRECTS = {
    "compte": "/faq#comment-renouveler-mon-jeton-arrivant-a-expiration",
    "blog/migration-api-particulier-v3": "/developpeurs/versions",
    "blog/parametre-lieu-naissance-code-cog": "/developpeurs#identifier-une-personne",
}
"""Redirects from former addresses on API Particulier's site to the pages of the portal that replace them."""
# The portal has no account page yet, so `compte` leads to the answer on renewing a token.

urlpatterns = [path(former, RedirectView.as_view(url=present)) for former, present in REDIRECTS.items()]

"""WSGI application of the portal, for `bouquet-portal serve` or another server."""

from __future__ import annotations

import os

from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

from bouquet_portal.site import site

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bouquet_portal.settings")

application: WSGIHandler = get_wsgi_application()
site().gateway.start()

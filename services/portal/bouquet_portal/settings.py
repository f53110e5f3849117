"""Django's settings, made from the environment variables `BOUQUET_PORTAL_*` when Django loads this module."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bouquet_portal import environment
from bouquet_portal.database_url import database_of

PORTAL = environment.read(os.environ)


def mail(url: str, *, plain: bool) -> dict[str, Any]:
    """Returns Django's settings for sending mails to `url`. `smtp://` uses STARTTLS, or no TLS if `plain` is true.
    `smtps://` uses TLS from the start. `file:///folder` writes each mail to a file in the folder."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": unquote(parts.path),
        }
    is_implicit = parts.scheme == "smtps"
    return {
        "EMAIL_BACKEND": "bouquet_portal.mail_server.Smtp",
        "EMAIL_HOST": parts.hostname or "",
        "EMAIL_PORT": parts.port or (465 if is_implicit else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": is_implicit,
        "EMAIL_USE_TLS": not is_implicit and not plain,
    }


_public = urlsplit(PORTAL.public_url)
_is_encrypted = _public.scheme == "https"

DEBUG = False
SECRET_KEY = PORTAL.secret_key.reveal() or secrets.token_hex(32)
ALLOWED_HOSTS = [_public.hostname or "", "127.0.0.1", "localhost"]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
ROOT_URLCONF = "bouquet_portal.urls"

INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "drf_spectacular_sidecar",  # Swagger UI
    "bouquet_portal.archive",
    "bouquet_portal.theme",
    "bouquet_portal.bac_a_sable",
    "bouquet_portal.home",
    "bouquet_portal.eligibilite",
    "bouquet_portal.catalogue",
    "bouquet_portal.cas_usages",
    "bouquet_portal.guide",
    "bouquet_portal.reference",
    "bouquet_portal.etat",
    "bouquet_portal.erreurs",
    "bouquet_portal.versions",
    "bouquet_portal.faq",
    "bouquet_portal.nouveautes",
    "bouquet_portal.editeurs",
    "bouquet_portal.legal",
]

MIDDLEWARE = [
    "bouquet_portal.health.answer_probes",
    "bouquet_portal.request_log.log_requests",
    "bouquet_portal.security_headers.add_security_headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": ["bouquet_portal.theme.context.site"],
            "builtins": ["bouquet_portal.theme.templatetags.theme"],
        },
    }
]

DATABASES = {"default": database_of(PORTAL.database_url.reveal())}
EMAIL_TIMEOUT = 10  # seconds for each step of the conversation with the mail server
globals().update(mail(PORTAL.mail_url.reveal(), plain=PORTAL.mail_plain))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "fr"
TIME_ZONE = "Europe/Paris"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(os.environ.get("DJANGO_STATIC_ROOT", "static"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

CSRF_COOKIE_AGE = None  # until the browser is closed, as the page on personal data says
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = _is_encrypted
CSRF_FAILURE_VIEW = "bouquet_portal.theme.views.refused_form"
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
FILE_UPLOAD_HANDLERS = ["bouquet_portal.uploads.RefuseFiles"]
APPEND_SLASH = False

LOGGING_CONFIG = None

"""Content files and gateway documents that this process shows on its pages."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from msgspec import Struct

from bouquet_portal.content.loader import load
from bouquet_portal.content.model import Content
from bouquet_portal.documents.archive import Archive
from bouquet_portal.documents.gateway import Gateway
from bouquet_portal.environment import PortalSettings


class Site(Struct, frozen=True):
    """Content files of the portal, and the last known documents of the gateway."""

    settings: PortalSettings
    content: Content
    gateway: Gateway
    archive: Archive


@cache
def site() -> Site:
    """Returns the site of this process, read at the first call. Raises `ContentError` if a content file is wrong."""
    # Models load only after Django's set-up.
    from bouquet_portal.archive.database import DatabaseArchive
    from bouquet_portal.etat.observed import note_states

    portal: PortalSettings = settings.PORTAL
    archive = DatabaseArchive()
    return Site(portal, load(variables(portal)), Gateway.of(portal, note_states, archive), archive)


PLACEHOLDERS = (
    "service_name",
    "operator_name",
    "operator_address",
    "publication_director",
    "hosting_provider",
    "contact_email",
    "dpo_email",
    "public_url",
    "request_url",
    "review_delay",
    "support_hours",
    "journal_retention",
    "editor_requests_keep_months",
    "source_url",
    "calls_per_second",
    "deadline_s",
    "client_timeout_s",
    "availability",
)
"""Names of the settings whose values replace placeholders, such as `{{ service_name }}`, in content files."""


def variables(portal: PortalSettings) -> dict[str, str]:
    """Maps the name of each placeholder, such as `service_name` in `{{ service_name }}`, to the text that replaces it
    in content files."""
    gateway = portal.api_url or portal.gateway_url
    addresses = {"api_url": gateway, "sandbox_url": portal.sandbox_api_url or portal.sandbox_url or gateway}
    return {name: str(getattr(portal, name)) for name in PLACEHOLDERS} | addresses

"""All routes of the API."""

from __future__ import annotations

from bouquet_registry.api import habilitations, records, tokens

ROUTES = (*habilitations.ROUTES, *tokens.ROUTES, *records.ROUTES)

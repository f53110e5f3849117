"""All routes of the API."""

from __future__ import annotations

from bouquet_registry.api import editors, habilitations, records, tokens

ROUTES = (*habilitations.ROUTES, *tokens.ROUTES, *editors.ROUTES, *records.ROUTES)

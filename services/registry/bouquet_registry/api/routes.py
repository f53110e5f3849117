"""All routes of the API."""

from __future__ import annotations

from bouquet_registry.api import editors, habilitations, keys, records, tokens

ROUTES = (*habilitations.ROUTES, *tokens.ROUTES, *editors.ROUTES, *keys.ROUTES, *records.ROUTES)

"""All routes of the API."""

from __future__ import annotations

from bouquet_registry.api import editors, events_aside, habilitations, hourly, keys, records, tokens

ROUTES = (
    *habilitations.ROUTES,
    *tokens.ROUTES,
    *editors.ROUTES,
    *keys.ROUTES,
    *events_aside.ROUTES,
    *records.ROUTES,
    *hourly.ROUTES,
)

"""All routes of the registry's HTTP API."""

from __future__ import annotations

from bouquet_registry.api import (
    delegations,
    editor_tokens,
    editors,
    events_aside,
    forms,
    habilitations,
    hourly,
    keys,
    proofs,
    records,
    tokens,
)
from bouquet_registry.api.route import Route
from bouquet_registry.datapass.forms import Catalogue


def routes_of(catalogue: Catalogue) -> tuple[Route, ...]:
    """Returns all routes of the API. The routes for DataPass's prefilled forms return the forms in `catalogue`."""
    return (
        *habilitations.ROUTES,
        *tokens.ROUTES,
        *editors.ROUTES,
        *editor_tokens.ROUTES,
        *delegations.ROUTES,
        *keys.ROUTES,
        *proofs.ROUTES,
        *events_aside.ROUTES,
        *forms.routes_of(catalogue),
        *records.ROUTES,
        *hourly.ROUTES,
    )

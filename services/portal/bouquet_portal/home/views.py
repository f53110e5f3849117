"""Home page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bouquet_portal.catalogue.views import all_entries
from bouquet_portal.documents.model import ResourceState
from bouquet_portal.site import site

MAX_USE_CASES = 6
MAX_CHANGES = 3


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    content, states = site().content, site().gateway.states.latest()
    entries = [entry for entry in all_entries() if not entry.is_deprecated]
    context = {
        "entries": [entry for entry in entries if not entry.is_incoming],
        "incoming": [entry for entry in entries if entry.is_incoming],
        "use_cases": content.use_cases[:MAX_USE_CASES],
        "changes": content.changes[:MAX_CHANGES],
        "states": states,
        "summary": _count_by_state(states.value.values()) if states else None,
    }
    return render(request, "home/home.html", context)


def _count_by_state(states: Iterable[ResourceState]) -> Counter[str]:
    return Counter(state.state for state in states)

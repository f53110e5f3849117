"""Home page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bouquet_portal.documents.model import ResourceState
from bouquet_portal.site import site


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    content, states = site().content, site().gateway.states.latest()
    return render(
        request,
        "home/home.html",
        {
            "apis": [api for api in content.apis if not api.is_incoming],
            "incoming": [api for api in content.apis if api.is_incoming],
            "use_cases": content.use_cases,
            "states": states,
            "summary": _summary(states.value.values()) if states else None,
        },
    )


def _summary(states: Iterable[ResourceState]) -> Counter[str]:
    """Returns the number of APIs in each state."""
    return Counter(state.state for state in states)
